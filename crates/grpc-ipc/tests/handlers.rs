//! Handlers that panic or take too long: the results for their callers, on the direct and the general path. The
//! connection stays open.

mod util;

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, Channel, Http2Options, Server};
use grpc_ipc_conformance::run;
use grpc_ipc_proto::testing::test_service_client::TestServiceClient;
use grpc_ipc_proto::testing::test_service_server::{TestService, TestServiceServer};
use grpc_ipc_proto::testing::{
    Empty, SimpleRequest, SimpleResponse, StreamingInputCallRequest, StreamingInputCallResponse,
    StreamingOutputCallRequest, StreamingOutputCallResponse,
};
use tokio::time::sleep;
use tonic::{Code, Request, Response, Status, Streaming};
use tower_layer::layer_fn;
use util::{DRAIN, Running};

/// The handler's action.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Panics at once, or in a stream at its first poll.
    Panic,
    /// The same, after other tasks have run.
    PanicLater,
    /// Takes an hour.
    Wait,
}

#[derive(Clone, Copy)]
struct Handlers(Does);

impl Does {
    async fn run(self) {
        match self {
            Self::Panic => panic!("a handler panics"),
            Self::PanicLater => {
                tokio::task::yield_now().await;
                panic!("a handler panics");
            }
            Self::Wait => sleep(Duration::from_secs(3600)).await,
        }
    }

    /// One message, then the action.
    fn stream(self) -> Outputs {
        let then = stream::once(async move {
            self.run().await;
            Ok(StreamingOutputCallResponse::default())
        });
        stream::iter([Ok(StreamingOutputCallResponse::default())]).chain(then).boxed()
    }
}

type Outputs = Pin<Box<dyn Stream<Item = Result<StreamingOutputCallResponse, Status>> + Send>>;

#[tonic::async_trait]
impl TestService for Handlers {
    async fn empty_call(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn unary_call(&self, _: Request<SimpleRequest>) -> Result<Response<SimpleResponse>, Status> {
        self.0.run().await;
        Ok(Response::new(Default::default()))
    }

    type StreamingOutputCallStream = Outputs;

    async fn streaming_output_call(
        &self,
        _: Request<StreamingOutputCallRequest>,
    ) -> Result<Response<Outputs>, Status> {
        Ok(Response::new(self.0.stream()))
    }

    async fn streaming_input_call(
        &self,
        _: Request<Streaming<StreamingInputCallRequest>>,
    ) -> Result<Response<StreamingInputCallResponse>, Status> {
        self.0.run().await;
        Ok(Response::new(Default::default()))
    }

    type FullDuplexCallStream = Outputs;

    async fn full_duplex_call(
        &self,
        _: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Outputs>, Status> {
        Ok(Response::new(self.0.stream()))
    }

    type HalfDuplexCallStream = Outputs;

    async fn half_duplex_call(
        &self,
        _: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Outputs>, Status> {
        self.0.run().await;
        Ok(Response::new(self.0.stream()))
    }

    async fn unimplemented_call(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        Err(Status::unimplemented(""))
    }
}

async fn serve(does: Does, build: impl FnOnce(Server) -> Server) -> (Running, TestServiceClient<Channel>) {
    let network = Network::new();
    let listener = network.listen("handlers", AccessPolicy::default()).unwrap();
    let server = Server::builder().add_service(TestServiceServer::new(Handlers(does)));
    let running = Running::start(build(server).listener(listener).bind().await.unwrap(), DRAIN);
    let channel = Channel::from_connector(network.connector("handlers", AccessPolicy::default()));
    (running, TestServiceClient::new(channel))
}

/// The status of a call. Messages that were ready together with the panic may be lost.
async fn end_of(answer: Result<Response<Streaming<StreamingOutputCallResponse>>, Status>) -> Status {
    let mut answers = match answer {
        Ok(answer) => answer.into_inner(),
        Err(status) => return status,
    };
    loop {
        match answers.message().await {
            Ok(message) => assert!(message.is_some(), "the call has succeeded"),
            Err(status) => return status,
        }
    }
}

/// The outcome of each kind of call.
async fn outcomes(client: &mut TestServiceClient<Channel>) -> Vec<(&'static str, Status)> {
    let inputs = || stream::iter([StreamingInputCallRequest::default()]);
    let outputs = || stream::iter([StreamingOutputCallRequest::default()]);
    let output = StreamingOutputCallRequest::default();
    let mut outcomes = Vec::new();
    outcomes.push(("UnaryCall", client.unary_call(SimpleRequest::default()).await.unwrap_err()));
    let answer = client.streaming_output_call(output).await;
    outcomes.push(("StreamingOutputCall", end_of(answer).await));
    outcomes.push(("StreamingInputCall", client.streaming_input_call(inputs()).await.unwrap_err()));
    outcomes.push(("FullDuplexCall", end_of(client.full_duplex_call(outputs()).await).await));
    outcomes.push(("HalfDuplexCall", end_of(client.half_duplex_call(outputs()).await).await));
    // The connection stays open.
    client.empty_call(Empty::default()).await.unwrap();
    outcomes
}

const WAYS: [fn(Server) -> Server; 2] = [|server| server, |server| server.layer(layer_fn(|inner| inner))];

#[test]
fn the_status_of_a_handler_that_panics_says_so() {
    run("the_status_of_a_handler_that_panics_says_so", || async {
        for does in [Does::Panic, Does::PanicLater] {
            for way in WAYS {
                for in_place in [true, false] {
                    let http2 = Http2Options::new().poll_in_place(in_place);
                    let (_running, mut client) = serve(does, |server| way(server).http2(http2)).await;
                    for _ in 0..2 {
                        for (method, status) in outcomes(&mut client).await {
                            let expected =
                                format!("the handler of /grpc.testing.TestService/{method} panicked");
                            assert_eq!(
                                (status.code(), status.message()),
                                (Code::Unknown, &*expected),
                                "{does:?}"
                            );
                        }
                    }
                }
            }
        }
    });
}

/// Runs with a clock that advances when no task can run.
fn run_paused(name: &str, test: impl AsyncFnOnce()) {
    let _watchdog = grpc_ipc_conformance::Watchdog::start(name, grpc_ipc_conformance::LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test());
}

const LATE: &str = "the handler did not answer within the server's time limit";

#[test]
fn a_handler_has_the_time_that_the_server_allows() {
    run_paused("a_handler_has_the_time_that_the_server_allows", async || {
        for way in WAYS {
            let timeout = Duration::from_secs(30);
            let (_running, mut client) = serve(Does::Wait, |server| way(server).timeout(timeout)).await;
            for _ in 0..2 {
                let began = tokio::time::Instant::now();
                let status = client.unary_call(SimpleRequest::default()).await.unwrap_err();
                assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, LATE));
                let took = began.elapsed();
                assert!(took >= timeout && took < 2 * timeout, "{took:?}");
            }
            let inputs = stream::iter([StreamingInputCallRequest::default()]);
            let status = client.streaming_input_call(inputs).await.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, LATE));
            let outputs = stream::iter([StreamingOutputCallRequest::default()]);
            let status = client.half_duplex_call(outputs).await.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, LATE));
        }
    });
}

#[test]
fn a_response_that_has_begun_may_take_longer() {
    run_paused("a_response_that_has_begun_may_take_longer", async || {
        for way in WAYS {
            let timeout = Duration::from_secs(30);
            let (_running, mut client) = serve(Does::Wait, |server| way(server).timeout(timeout)).await;
            for _ in 0..2 {
                let request = StreamingOutputCallRequest::default();
                let mut answers = client.streaming_output_call(request).await.unwrap().into_inner();
                let began = tokio::time::Instant::now();
                for _ in 0..2 {
                    answers.message().await.unwrap().unwrap();
                }
                assert!(answers.message().await.unwrap().is_none());
                assert!(began.elapsed() >= Duration::from_secs(3600));
            }
        }
    });
}

#[test]
fn the_earlier_of_the_servers_and_the_callers_deadline_counts() {
    run_paused("the_earlier_of_the_servers_and_the_callers_deadline_counts", async || {
        for way in WAYS {
            let timeout = Duration::from_secs(30);
            let (_running, mut client) = serve(Does::Wait, |server| way(server).timeout(timeout)).await;
            for (callers, expected) in [(10, 10), (60, 30)] {
                let mut request = Request::new(SimpleRequest::default());
                request.set_timeout(Duration::from_secs(callers));
                let began = tokio::time::Instant::now();
                let status = client.unary_call(request).await.unwrap_err();
                assert_eq!(status.code(), Code::DeadlineExceeded);
                let took = began.elapsed();
                let expected = Duration::from_secs(expected);
                assert!(took >= expected && took < 2 * expected, "{took:?}");
            }
            // The caller's deadline covers the whole response.
            let mut request = Request::new(StreamingOutputCallRequest::default());
            request.set_timeout(Duration::from_secs(60));
            let began = tokio::time::Instant::now();
            let status = end_of(client.streaming_output_call(request).await).await;
            assert_eq!(status.code(), Code::DeadlineExceeded);
            assert!(began.elapsed() >= Duration::from_secs(60));
        }
    });
}
