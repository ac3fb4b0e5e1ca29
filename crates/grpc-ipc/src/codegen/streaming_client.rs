//! Direct calls of a client with streams of messages.

use std::future::poll_fn;
use std::task::Poll;

use futures_core::Stream;
use grpc_ipc_http2::direct::{Answer, Answered, Begun, BegunStream, MessagesBody, UnaryCall, timeout_of};
use grpc_ipc_http2::{Error, RecvBody};
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderValue, Uri};
use prost::Message;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::metadata::{GRPC_CONTENT_TYPE, MetadataMap};
use tonic::{Extensions, Request, Response, Status, Streaming};
use tower_service::Service as _;

use super::client::Client;
use super::messages::{Encoded, encoded_len};
use super::metadata::shorten;
use super::options::ClientOptions;
use super::outgoing::Requests;
use super::unary_client::{is_usual, read, received, too_large};
use super::unusual::{self, Read};
use super::{Method, general};
use crate::Channel;
use crate::call_body::CallBody;
use crate::call_limit::Permit;
use crate::connections::deadline_after;
use crate::response::response_of_grpc;
use crate::status::{status_from_http2, status_of_unsent};

/// Sends one message, and receives a stream.
pub(super) async fn server_streaming<T, M, R>(
    client: &mut Client<T>,
    method: &'static Method,
    request: Request<M>,
) -> Result<Response<Streaming<R>>, Status>
where
    T: 'static,
    M: Message + 'static,
    R: Message + Default + 'static,
{
    let mut request = client.intercept(method, request)?;
    let length = encoded_len(request.get_ref(), client.options.encoding_limit()).map_err(too_large)?;
    let mut channel = channel_of(client)?;
    let mut deadline = None;
    if is_usual(request.metadata())
        && let Some((connection, permit)) = channel.connections().front()
    {
        channel.connections().limit_time(request.metadata_mut().as_mut());
        let headers = request.metadata().as_ref();
        let timeout = timeout_of(headers);
        let begun = poll_fn(|cx| {
            let message = Encoded(request.get_ref());
            let answer = Answered::WithStream;
            Poll::Ready(connection.begin_for(answer, method, headers, timeout, length, message, cx))
        });
        match begun.await {
            Begun::Call(call) => {
                deadline = timeout.map(deadline_after);
                match response(call).await {
                    Ok(response) => {
                        let response = response_of_grpc(response)?.map(|body| body.holding(permit));
                        return unusual::stream_of(response, &client.options).await;
                    }
                    Err(error) if error.is_unprocessed() => {}
                    Err(error) => return Err(status_from_http2(&error)),
                }
            }
            Begun::Elsewhere => {}
            Begun::Failed(error) => return Err(status_of_unsent(&error)),
        }
    }
    shorten(&mut request, deadline)?;
    Box::pin(general::server_streaming(&client.options, &mut channel, method, request)).await
}

/// Sends a stream of messages, and receives one message.
pub(super) async fn client_streaming<T, S, R>(
    client: &mut Client<T>,
    method: &'static Method,
    request: Request<S>,
) -> Result<Response<R>, Status>
where
    T: 'static,
    S: Stream<Item: Message + 'static> + Send + 'static,
    R: Message + Default + 'static,
{
    let request = client.intercept(method, request)?;
    let mut channel = channel_of(client)?;
    if !is_usual(request.metadata()) {
        return Box::pin(general::client_streaming(&client.options, &mut channel, method, request)).await;
    }
    let limit = client.options.decoding_limit();
    let mut outgoing = Call::new(method, request, &client.options);
    let response = match outgoing.begin(&channel, Answered::WithMessage).await? {
        Some(mut call) => {
            let mut metadata = None;
            let answer =
                poll_fn(|cx| call.poll(cx, |message, came| read(message, came, limit, &mut metadata)));
            match answer.await {
                Ok(Answer::Message(message)) => return received(message, metadata),
                Ok(Answer::Response(response)) => outgoing.response(*response)?,
                Err(error) => outgoing.again(&mut channel, &error).await?,
            }
        }
        None => outgoing.elsewhere(&mut channel).await?,
    };
    match unusual::read_grpc(response, &client.options) {
        Read::Status(status) => Err(status),
        Read::Later(response) => response.await,
    }
}

/// Sends a stream of messages, and receives a stream.
pub(super) async fn streaming<T, S, R>(
    client: &mut Client<T>,
    method: &'static Method,
    request: Request<S>,
) -> Result<Response<Streaming<R>>, Status>
where
    T: 'static,
    S: Stream<Item: Message + 'static> + Send + 'static,
    R: Message + Default + 'static,
{
    let request = client.intercept(method, request)?;
    let mut channel = channel_of(client)?;
    if !is_usual(request.metadata()) {
        return Box::pin(general::streaming(&client.options, &mut channel, method, request)).await;
    }
    let mut outgoing = Call::new(method, request, &client.options);
    let response = match outgoing.begin(&channel, Answered::WithStream).await? {
        Some(call) => match response(call).await {
            Ok(response) => outgoing.response(response)?,
            Err(error) => outgoing.again(&mut channel, &error).await?,
        },
        None => outgoing.elsewhere(&mut channel).await?,
    };
    unusual::stream_of(response, &client.options).await
}

/// A request with a stream of messages.
struct Call<S: Stream> {
    method: &'static Method,
    metadata: MetadataMap,
    extensions: Extensions,
    permit: Permit,
    deadline: Option<Instant>,
    messages: Option<Requests<S>>,
    /// The body, if the call takes the general path.
    body: Option<MessagesBody<Requests<S>>>,
}

impl<S> Call<S>
where
    S: Stream<Item: Message + 'static> + Send + 'static,
{
    fn new(method: &'static Method, request: Request<S>, options: &ClientOptions) -> Self {
        let (metadata, extensions, stream) = request.into_parts();
        let messages = Some(Requests::of_request(stream, options.encoding_limit()));
        Self { method, metadata, extensions, permit: None, deadline: None, messages, body: None }
    }

    /// Makes the call directly, if that is possible now.
    async fn begin(&mut self, channel: &Channel, answer: Answered) -> Result<Option<UnaryCall>, Status> {
        let Some((connection, permit)) = channel.connections().front() else { return Ok(None) };
        channel.connections().limit_time(self.metadata.as_mut());
        let headers = self.metadata.as_ref();
        let timeout = timeout_of(headers);
        let messages = &mut self.messages;
        let begun = poll_fn(|cx| {
            let begun = messages
                .take()
                .map(|messages| connection.begin_stream(answer, self.method, headers, timeout, messages, cx));
            Poll::Ready(begun)
        });
        match begun.await {
            Some(BegunStream::Call(call, body)) => {
                self.deadline = timeout.map(deadline_after);
                self.body = body;
                self.permit = permit;
                Ok(Some(call))
            }
            Some(BegunStream::Elsewhere(body)) => {
                self.body = Some(body);
                Ok(None)
            }
            Some(BegunStream::Failed(error)) => Err(status_of_unsent(&error)),
            None => Ok(None),
        }
    }

    fn response(&mut self, response: http::Response<RecvBody>) -> Result<http::Response<CallBody>, Status> {
        let permit = self.permit.take();
        Ok(response_of_grpc(response)?.map(|body| body.holding(permit)))
    }

    /// Retries an unprocessed call on the general path, if all its messages are still available.
    async fn again(
        mut self,
        channel: &mut Channel,
        error: &Error,
    ) -> Result<http::Response<CallBody>, Status> {
        if !error.is_unprocessed() || self.body.is_none() {
            return Err(status_from_http2(error));
        }
        let mut request = Request::from_parts(self.metadata, Extensions::new(), ());
        shorten(&mut request, self.deadline)?;
        (self.metadata, ..) = request.into_parts();
        self.elsewhere(channel).await
    }

    /// Makes the call on the general path, as tonic would.
    async fn elsewhere(mut self, channel: &mut Channel) -> Result<http::Response<CallBody>, Status> {
        self.permit = None;
        let body = self.messages.map(MessagesBody::of).or(self.body).map_or_else(Body::empty, Body::new);
        let mut request = http::Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = Uri::from_static(self.method.path());
        *request.version_mut() = http::Version::HTTP_2;
        *request.headers_mut() = self.metadata.into_headers();
        *request.extensions_mut() = self.extensions;
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        request.headers_mut().insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
        channel.call(request).await
    }
}

/// The response to a call, as a stream.
async fn response(mut call: UnaryCall) -> Result<http::Response<RecvBody>, Error> {
    match poll_fn(|cx| call.poll(cx, |_, _| ())).await? {
        Answer::Response(response) => Ok(*response),
        Answer::Message(()) => Err(Error::Closed),
    }
}

fn channel_of<T: 'static>(client: &mut Client<T>) -> Result<Channel, Status> {
    client.channel().cloned().ok_or_else(|| Status::internal("a call without a channel"))
}
