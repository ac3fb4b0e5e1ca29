//! A server with several services, each with several methods.

use grpc_ipc::MethodPath;
use grpc_ipc_conformance::run;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::testing::test_service_client::TestServiceClient;
use grpc_ipc_proto::testing::test_service_server::{TestService, TestServiceServer};
use grpc_ipc_proto::testing::unimplemented_service_client::UnimplementedServiceClient;
use grpc_ipc_proto::testing::unimplemented_service_server::{
    UnimplementedService, UnimplementedServiceServer,
};
use grpc_ipc_proto::testing::{
    Empty, SimpleRequest, SimpleResponse, StreamingInputCallRequest, StreamingInputCallResponse,
    StreamingOutputCallRequest, StreamingOutputCallResponse,
};
use tonic::codegen::tokio_stream;
use tonic::{Request, Response, Status, Streaming};

use crate::util::{Says, Scene, hello, request};

/// Answers with the name of the called method and that of the answering one.
struct Shows;

fn show<M, R: Default>(request: &Request<M>, answers: &'static str) -> Result<Response<R>, Status> {
    let mut response = Response::new(R::default());
    let called = request.extensions().get::<MethodPath>().unwrap().as_str();
    response.metadata_mut().insert("called", called.parse().unwrap());
    response.metadata_mut().insert("answers", answers.parse().unwrap());
    Ok(response)
}

#[tonic::async_trait]
impl TestService for Shows {
    async fn empty_call(&self, request: Request<Empty>) -> Result<Response<Empty>, Status> {
        show(&request, "/grpc.testing.TestService/EmptyCall")
    }

    async fn unary_call(&self, request: Request<SimpleRequest>) -> Result<Response<SimpleResponse>, Status> {
        show(&request, "/grpc.testing.TestService/UnaryCall")
    }

    type StreamingOutputCallStream = tokio_stream::Empty<Result<StreamingOutputCallResponse, Status>>;

    async fn streaming_output_call(
        &self,
        _: Request<StreamingOutputCallRequest>,
    ) -> Result<Response<Self::StreamingOutputCallStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn streaming_input_call(
        &self,
        _: Request<Streaming<StreamingInputCallRequest>>,
    ) -> Result<Response<StreamingInputCallResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    type FullDuplexCallStream = tokio_stream::Empty<Result<StreamingOutputCallResponse, Status>>;

    async fn full_duplex_call(
        &self,
        _: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Self::FullDuplexCallStream>, Status> {
        Err(Status::unimplemented(""))
    }

    type HalfDuplexCallStream = tokio_stream::Empty<Result<StreamingOutputCallResponse, Status>>;

    async fn half_duplex_call(
        &self,
        _: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Self::HalfDuplexCallStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn unimplemented_call(&self, request: Request<Empty>) -> Result<Response<Empty>, Status> {
        show(&request, "/grpc.testing.TestService/UnimplementedCall")
    }
}

#[tonic::async_trait]
impl UnimplementedService for Shows {
    async fn unimplemented_call(&self, request: Request<Empty>) -> Result<Response<Empty>, Status> {
        show(&request, "/grpc.testing.UnimplementedService/UnimplementedCall")
    }
}

#[track_caller]
fn shown<R>(answer: Result<Response<R>, Status>, method: &str) {
    let answer = answer.unwrap();
    let field = |name| answer.metadata().get(name).unwrap().to_str().unwrap();
    assert_eq!((field("called"), field("answers")), (method, method));
}

#[test]
fn each_method_is_called_as_what_it_is() {
    run("each_method_is_called_as_what_it_is", || async {
        let scene = Scene::new(|server| {
            let server = server.add_service(TestServiceServer::new(Shows));
            server.add_service(Says::hello().server()).add_service(UnimplementedServiceServer::new(Shows))
        })
        .await;
        let mut test = TestServiceClient::new(scene.channel.clone());
        let mut unimplemented = UnimplementedServiceClient::new(scene.channel.clone());
        let mut greeter = GreeterClient::new(scene.channel.clone());
        for _ in 0..2 {
            shown(test.unary_call(SimpleRequest::default()).await, "/grpc.testing.TestService/UnaryCall");
            shown(
                unimplemented.unimplemented_call(Empty::default()).await,
                "/grpc.testing.UnimplementedService/UnimplementedCall",
            );
            shown(test.empty_call(Empty::default()).await, "/grpc.testing.TestService/EmptyCall");
            assert_eq!(greeter.say_hello(request("you")).await.unwrap().into_inner(), hello("you"));
            shown(
                test.unimplemented_call(Empty::default()).await,
                "/grpc.testing.TestService/UnimplementedCall",
            );
        }
        assert_eq!(scene.general(), (0, 0));
    });
}
