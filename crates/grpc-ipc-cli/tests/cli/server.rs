//! A server with calls of all four kinds, health and reflection.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use grpc_ipc::{Server, ServerHandle};
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use grpc_ipc_proto::testing::test_service_server::{TestService, TestServiceServer};
use grpc_ipc_proto::testing::{
    EchoStatus, Empty, Payload, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
    StreamingInputCallResponse, StreamingOutputCallRequest, StreamingOutputCallResponse,
};
use tokio::sync::mpsc;
use tonic::codegen::BoxStream;
use tonic::codegen::tokio_stream::{self, Stream, StreamExt as _};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_health::ServingStatus;

use crate::util::{Place, place, protos};

/// A server in this process, on a thread of its own.
pub(crate) struct Ours {
    pub(crate) place: Place,
    _handle: ServerHandle,
}

impl Ours {
    pub(crate) fn address(&self) -> &str {
        &self.place.address
    }
}

/// Which versions of reflection a server has.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Reflection {
    None,
    V1,
    V1Alpha,
}

pub(crate) fn serve(reflection: Reflection) -> Ours {
    serve_with(reflection, |server| server)
}

pub(crate) fn serve_with(reflection: Reflection, more: impl FnOnce(Server) -> Server) -> Ours {
    let place = place();
    let (reporter, health) = tonic_health::server::health_reporter();
    let mut server = Server::builder()
        .add_service(GreeterServer::new(Answers))
        .add_service(TestServiceServer::new(Answers))
        .add_service(health)
        .listen(place.address.as_str());
    let schema = || {
        let files = protox::compile(["greet.proto", "grpc/testing/test.proto"], [protos()]).unwrap();
        tonic_reflection::server::Builder::configure().register_file_descriptor_set(files)
    };
    match reflection {
        Reflection::None => {}
        Reflection::V1 => server = server.add_service(schema().build_v1().unwrap()),
        Reflection::V1Alpha => server = server.add_service(schema().build_v1alpha().unwrap()),
    }
    let handle = more(server).spawn().unwrap();
    let set = async {
        reporter.set_service_status("greet.Greeter", ServingStatus::Serving).await;
        reporter.set_service_status("sick", ServingStatus::NotServing).await;
    };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(set);
    Ours { place, _handle: handle }
}

#[cfg(not(windows))]
pub(crate) fn greeter() -> GreeterServer<impl Greeter> {
    GreeterServer::new(Answers)
}

struct Answers;

#[tonic::async_trait]
impl Greeter for Answers {
    /// Greets, also whoever the metadata names.
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let metadata = request.metadata();
        let from = metadata.get("x-from").map(|from| format!(", from {}", from.to_str().unwrap()));
        let binary = metadata.get_bin("x-key-bin").map(|key| format!(", {:?}", key.to_bytes().unwrap()));
        let timeout = metadata.get("grpc-timeout").is_some();
        let name = &request.get_ref().name;
        if name == "wait" {
            // The caller's deadline, or its end, is what ends this.
            tokio::time::sleep(Duration::from_secs(100)).await;
        }
        if name == "late" && !timeout {
            return Err(Status::failed_precondition("there is no deadline"));
        }
        let message = format!("Hello {name}{}{}", from.unwrap_or_default(), binary.unwrap_or_default());
        let mut response = Response::new(HelloReply { message });
        response.metadata_mut().insert("x-server", "ours".parse().unwrap());
        Ok(response)
    }
}

type Responses = BoxStream<StreamingOutputCallResponse>;

#[tonic::async_trait]
impl TestService for Answers {
    async fn empty_call(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        Ok(Response::new(Empty {}))
    }

    async fn unary_call(&self, request: Request<SimpleRequest>) -> Result<Response<SimpleResponse>, Status> {
        let request = request.into_inner();
        check(request.response_status)?;
        let payload = payload(request.response_size);
        Ok(Response::new(SimpleResponse { payload: Some(payload), ..Default::default() }))
    }

    type StreamingOutputCallStream = Responses;

    async fn streaming_output_call(
        &self,
        request: Request<StreamingOutputCallRequest>,
    ) -> Result<Response<Responses>, Status> {
        Ok(Response::new(responses(tokio_stream::once(Ok(request.into_inner())))))
    }

    async fn streaming_input_call(
        &self,
        request: Request<Streaming<StreamingInputCallRequest>>,
    ) -> Result<Response<StreamingInputCallResponse>, Status> {
        let mut requests = request.into_inner();
        let mut size = 0;
        while let Some(request) = requests.message().await? {
            size += request.payload.map_or(0, |payload| payload.body.len());
        }
        let size = i32::try_from(size).unwrap();
        Ok(Response::new(StreamingInputCallResponse { aggregated_payload_size: size }))
    }

    type FullDuplexCallStream = Responses;

    async fn full_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Responses>, Status> {
        Ok(Response::new(responses(request.into_inner())))
    }

    type HalfDuplexCallStream = Responses;

    async fn half_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Responses>, Status> {
        let requests: Vec<_> = request.into_inner().collect().await;
        Ok(Response::new(responses(tokio_stream::iter(requests))))
    }

    async fn unimplemented_call(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        Err(Status::unimplemented("never"))
    }
}

/// As many as each request wants.
fn responses(
    requests: impl Stream<Item = Result<StreamingOutputCallRequest, Status>> + Send + 'static,
) -> Responses {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut requests = pin!(requests);
        while let Some(request) = requests.next().await {
            let answers = match request {
                Ok(request) => answers(request),
                Err(status) => vec![Err(status)],
            };
            for answer in answers {
                // The call is over if nobody receives.
                if sender.send(answer).await.is_err() {
                    return;
                }
            }
        }
    });
    Box::pin(futures_util::stream::unfold(receiver, async |mut receiver| {
        Some((receiver.recv().await?, receiver))
    }))
}

fn answers(request: StreamingOutputCallRequest) -> Vec<Result<StreamingOutputCallResponse, Status>> {
    let sizes = request.response_parameters.iter().map(|parameters| parameters.size);
    let mut answers: Vec<_> =
        sizes.map(|size| Ok(StreamingOutputCallResponse { payload: Some(payload(size)) })).collect();
    answers.extend(check(request.response_status).err().map(Err));
    answers
}

fn check(status: Option<EchoStatus>) -> Result<(), Status> {
    match status {
        Some(status) if status.code != 0 => {
            let details = Bytes::from_static(DETAILS);
            Err(Status::with_details(Code::from(status.code), status.message, details))
        }
        _ => Ok(()),
    }
}

/// A `google.rpc.Status` with one detail, `greet.HelloReply { message: "more" }`.
const DETAILS: &[u8] = b"\x1a\x2e\x0a\x24type.googleapis.com/greet.HelloReply\x12\x06\x0a\x04more";

fn payload(size: i32) -> Payload {
    Payload { body: Bytes::from(vec![0; usize::try_from(size).unwrap()]), ..Default::default() }
}
