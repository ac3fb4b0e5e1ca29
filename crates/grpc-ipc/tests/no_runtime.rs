//! The errors of calls outside of a tokio runtime, or in one without timers or I/O.

mod util;

use futures_util::FutureExt as _;
use grpc_ipc::memory::Network;
use grpc_ipc::{AccessPolicy, Channel, ConnectError, ServeError, Server};
use grpc_ipc_conformance::{LIMIT, Watchdog};
use tokio::runtime::Builder;
use tonic::Code;
use util::{MyGreeter, greet};

fn watch(test: &str) -> Watchdog {
    Watchdog::start(test, LIMIT)
}

#[test]
fn connecting_says_what_to_do() {
    let _watchdog = watch("connecting_says_what_to_do");
    let error = Channel::connect("http://127.0.0.1:1").now_or_never().expect("at once").unwrap_err();
    assert!(matches!(error, ConnectError::NoRuntime { .. }), "{error:?}");
    assert!(error.to_string().contains("or use grpc_ipc::blocking"), "{error}");
}

#[test]
fn a_call_on_a_lazy_channel_says_what_to_do() {
    let _watchdog = watch("a_call_on_a_lazy_channel_says_what_to_do");
    let channel = Channel::lazy("http://127.0.0.1:1").unwrap();
    for _ in 0..2 {
        let status = greet(channel.clone(), "world").now_or_never().expect("at once").unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert!(status.message().contains("call this inside a tokio runtime"), "{status:?}");
    }
}

#[test]
fn a_server_says_what_to_do() {
    let _watchdog = watch("a_server_says_what_to_do");
    let server = || {
        let listener = Network::new().listen("server", AccessPolicy::default()).unwrap();
        Server::builder().listener(listener)
    };
    let error = server().bind().now_or_never().expect("at once").unwrap_err();
    assert!(matches!(error, ServeError::NoRuntime), "{error:?}");
    assert!(error.to_string().contains("or use Server::spawn"), "{error}");
    let bound = Builder::new_current_thread().build().unwrap().block_on(server().bind()).unwrap();
    let error = bound.serve().now_or_never().expect("at once").unwrap_err();
    assert!(matches!(error, ServeError::NoRuntime), "{error:?}");
    assert!(grpc_ipc::shutdown_signal().unwrap_err().to_string().contains("no tokio runtime here"));
}

/// The texts are tokio's.
#[test]
fn a_runtime_without_timers_or_io_is_named() {
    let _watchdog = watch("a_runtime_without_timers_or_io_is_named");
    let runtime = Builder::new_current_thread().build().unwrap();
    let channel = Channel::lazy("http://127.0.0.1:1").unwrap();
    let status = runtime.block_on(greet(channel, "world")).unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(
        status.message().starts_with("the connector panicked: A Tokio 1.x context was found"),
        "{status:?}"
    );
}

/// A connection that runs elsewhere needs no runtime.
#[test]
fn a_call_on_a_connection_that_is_there_needs_no_runtime() {
    let _watchdog = watch("a_call_on_a_connection_that_is_there_needs_no_runtime");
    let network = Network::new();
    let listener = network.listen("server", AccessPolicy::default()).unwrap();
    let server =
        Server::builder().add_service(MyGreeter::default().service()).listener(listener).spawn().unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let channel = Channel::from_connector(network.connector("server", AccessPolicy::default()));
    runtime.block_on(greet(channel.clone(), "first")).unwrap();
    // Like an executor other than tokio's.
    let (thread, waker) = (std::thread::current(), std::sync::Arc::new(Unpark(std::thread::current())));
    let waker = waker.into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut call = std::pin::pin!(greet(channel, "second"));
    let greeted = loop {
        match call.as_mut().poll(&mut context) {
            std::task::Poll::Ready(greeted) => break greeted.unwrap(),
            std::task::Poll::Pending => std::thread::park(),
        }
    };
    assert!(greeted.starts_with("Hello second"), "{greeted} in {thread:?}");
    server.shutdown(util::DRAIN).unwrap();
}

struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}
