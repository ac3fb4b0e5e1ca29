use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, future, stream};
use grpc_ipc_proto::testing::{
    BoolValue, EchoStatus, Empty, Payload, PayloadType, ResponseParameters, SimpleRequest, SimpleResponse,
    StreamingInputCallRequest, StreamingInputCallResponse, StreamingOutputCallRequest,
    StreamingOutputCallResponse, test_service_server,
};
use tonic::{Code, Request, Response, Status, Streaming, codegen::BoxStream, metadata::MetadataValue};

use crate::compression::CompressedFlags;

/// The server side of gRPC's `interop-test-descriptions.md`, except what a handler cannot do: see [`super::wire`].
///
/// No call is authenticated here, so `fill_username` and `fill_oauth_scope` have nothing to fill in.
pub(super) struct Interop;

type Answers = BoxStream<StreamingOutputCallResponse>;

#[tonic::async_trait]
impl test_service_server::TestService for Interop {
    async fn empty_call(&self, request: Request<Empty>) -> Result<Response<Empty>, Status> {
        match request.metadata().get_bin("x-status-details-bin").map(MetadataValue::to_bytes) {
            Some(Ok(details)) => Err(Status::with_details(Code::InvalidArgument, "details", details)),
            _ => Ok(Response::new(Empty {})),
        }
    }

    async fn unary_call(&self, request: Request<SimpleRequest>) -> Result<Response<SimpleResponse>, Status> {
        let received = flags_of(&request);
        let request = request.into_inner();
        check_compression(request.expect_compressed, received.pop())?;
        check_status(request.response_status)?;
        let payload = zeros(request.response_type, request.response_size)?;
        let mut response = Response::new(SimpleResponse { payload: Some(payload), ..Default::default() });
        if !is_true(request.response_compressed) {
            response.disable_compression();
        }
        Ok(response)
    }

    type StreamingOutputCallStream = Answers;

    async fn streaming_output_call(
        &self,
        request: Request<StreamingOutputCallRequest>,
    ) -> Result<Response<Self::StreamingOutputCallStream>, Status> {
        Ok(answer(stream::once(future::ok(request.into_inner()))))
    }

    async fn streaming_input_call(
        &self,
        request: Request<Streaming<StreamingInputCallRequest>>,
    ) -> Result<Response<StreamingInputCallResponse>, Status> {
        let received = flags_of(&request);
        let mut requests = request.into_inner();
        let mut size = 0;
        while let Some(request) = requests.message().await? {
            check_compression(request.expect_compressed, received.pop())?;
            size += request.payload.map_or(0, |payload| payload.body.len());
        }
        let size =
            size.try_into().map_err(|_| Status::out_of_range("the total size does not fit an int32"))?;
        Ok(Response::new(StreamingInputCallResponse { aggregated_payload_size: size }))
    }

    type FullDuplexCallStream = Answers;

    async fn full_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Self::FullDuplexCallStream>, Status> {
        Ok(answer(request.into_inner()))
    }

    type HalfDuplexCallStream = Answers;

    /// Like `full_duplex_call`, but reads all requests before the first answer.
    async fn half_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Self::HalfDuplexCallStream>, Status> {
        let requests: Vec<_> = request.into_inner().try_collect().await?;
        Ok(answer(stream::iter(requests).map(Ok)))
    }

    async fn unimplemented_call(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        Err(Status::unimplemented("UnimplementedCall is never implemented"))
    }
}

/// Answers each request with the responses it asks for, in order, until one asks for a status other than OK.
fn answer<S>(requests: S) -> Response<Answers>
where
    S: Stream<Item = Result<StreamingOutputCallRequest, Status>> + Send + 'static,
{
    let chosen = CompressedFlags::default();
    let flags = chosen.clone();
    let answers = requests
        .and_then(|mut request| future::ready(check_status(request.response_status.take()).map(|()| request)))
        .map_ok(move |request| {
            let flags = flags.clone();
            stream::iter(request.response_parameters).then(move |parameters| {
                let flags = flags.clone();
                async move { next_answer(request.response_type, parameters, &flags).await }
            })
        })
        .try_flatten();
    let mut response: Response<Answers> = Response::new(Box::pin(answers));
    response.extensions_mut().insert(chosen);
    response
}

async fn next_answer(
    response_type: i32,
    parameters: ResponseParameters,
    flags: &CompressedFlags,
) -> Result<StreamingOutputCallResponse, Status> {
    if let Ok(interval @ 1..) = u64::try_from(parameters.interval_us) {
        tokio::time::sleep(Duration::from_micros(interval)).await;
    }
    let payload = zeros(response_type, parameters.size)?;
    flags.push(is_true(parameters.compressed));
    Ok(StreamingOutputCallResponse { payload: Some(payload) })
}

fn flags_of<T>(request: &Request<T>) -> CompressedFlags {
    request.extensions().get().cloned().unwrap_or_default()
}

/// Fails unless the request was compressed as it states, if it does.
fn check_compression(expected: Option<BoolValue>, received: Option<bool>) -> Result<(), Status> {
    match expected {
        Some(BoolValue { value }) if received != Some(value) => {
            Err(Status::invalid_argument(format!("expected compressed: {value}, received: {received:?}")))
        }
        _ => Ok(()),
    }
}

fn check_status(wanted: Option<EchoStatus>) -> Result<(), Status> {
    match wanted {
        Some(status) if status.code != 0 => Err(Status::new(Code::from(status.code), status.message)),
        _ => Ok(()),
    }
}

fn is_true(value: Option<BoolValue>) -> bool {
    value.is_some_and(|value| value.value)
}

fn zeros(response_type: i32, size: i32) -> Result<Payload, Status> {
    if response_type != PayloadType::Compressable as i32 {
        return Err(Status::invalid_argument(format!("payload type {response_type}")));
    }
    let size = usize::try_from(size).map_err(|_| Status::invalid_argument(format!("payload size {size}")))?;
    Ok(Payload { r#type: response_type, body: Bytes::from(vec![0; size]) })
}
