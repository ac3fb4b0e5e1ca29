//! A plug-in for hosts that use HashiCorp's go-plugin, in Go or in Rust. It greets, in the language of the host's
//! dictionary. A host starts it; `greeting-host` is one.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use grpc_ipc::tonic::{Request, Response, Status, async_trait};
use grpc_ipc::{ListenOptions, Server};
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};

use go_plugin::broker::Broker;
use go_plugin::greeting::dictionary_client::DictionaryClient;
use go_plugin::greeting::greeter_server::{Greeter, GreeterServer};
use go_plugin::greeting::{GreetRequest, Text};
use go_plugin::handshake::{CLIENT_CERTIFICATE, Handshake, SOCKET_DIRECTORY, check_host};
use go_plugin::proto::StdioData;
use go_plugin::proto::grpc_broker_server::GrpcBrokerServer;
use go_plugin::proto::grpc_controller_server::{GrpcController, GrpcControllerServer};
use go_plugin::proto::grpc_stdio_server::{GrpcStdio, GrpcStdioServer};
use go_plugin::proto::stdio_data::Channel;
use go_plugin::tls::{Certificate, install_provider};

/// The service of this plug-in.
struct MyGreeter {
    broker: Broker,
    output: Arc<Output>,
}

#[async_trait]
impl Greeter for MyGreeter {
    async fn greet(&self, request: Request<GreetRequest>) -> Result<Response<Text>, Status> {
        let GreetRequest { name, dictionary } = request.into_inner();
        self.output.print(format!("asked to greet {name}\n"));
        let hello = Text { text: "hello".to_owned() };
        let greeting = if dictionary == 0 {
            hello
        } else {
            let host = self.broker.dial(dictionary).await;
            let host = host.map_err(|error| Status::unavailable(format!("the dictionary: {error:#}")))?;
            DictionaryClient::new(host).translate(hello).await?.into_inner()
        };
        Ok(Response::new(Text { text: format!("{} {name}", greeting.text) }))
    }
}

/// The output of this plug-in, for the host to show. After the handshake, hosts ignore its standard output.
struct Output {
    sender: mpsc::Sender<StdioData>,
    /// Until the host asks for the output.
    receiver: Mutex<Option<mpsc::Receiver<StdioData>>>,
}

impl Output {
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel(100);
        Self { sender, receiver: Mutex::new(Some(receiver)) }
    }

    /// Prints the text. Drops it if the host does not read, and 100 texts wait.
    fn print(&self, text: String) {
        _ = self.sender.try_send(StdioData { channel: Channel::Stdout.into(), data: text.into_bytes() });
    }
}

#[async_trait]
impl GrpcStdio for Output {
    type StreamStdioStream = Pin<Box<dyn Stream<Item = Result<StdioData, Status>> + Send>>;

    async fn stream_stdio(&self, _: Request<()>) -> Result<Response<Self::StreamStdioStream>, Status> {
        let receiver = self.receiver.lock().unwrap().take();
        let receiver = receiver.ok_or_else(|| Status::already_exists("the output has been taken"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver).map(Ok))))
    }
}

/// Ends this plug-in when the host asks for it.
struct Controller(Arc<Notify>);

#[async_trait]
impl GrpcController for Controller {
    async fn shutdown(&self, _: Request<()>) -> Result<Response<()>, Status> {
        self.0.notify_one();
        Ok(Response::new(()))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    check_host()?;
    install_provider();
    let parent = std::env::var_os(SOCKET_DIRECTORY).filter(|parent| !parent.is_empty());
    let directory = TempDir::with_prefix_in("plugin-", parent.map_or_else(std::env::temp_dir, Into::into))?;
    let path = directory.path().join("socket").to_str().context("a path that is not Unicode")?.to_owned();
    let mut options = ListenOptions::new(format!("unix:{path}"));
    let (mut tls, mut certificate) = (None, None);
    if let Ok(host) = std::env::var(CLIENT_CERTIFICATE) {
        let ours = Certificate::create()?;
        certificate = Some(ours.pem.clone());
        options = options.tls(tls.insert(ours.with(&host)?).server());
    }

    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("plugin", tonic_health::ServingStatus::Serving).await;
    let (broker, output) = (Broker::new(directory, tls), Arc::new(Output::new()));
    let shutdown = Arc::new(Notify::new());
    let server = Server::builder()
        .add_service(health)
        .add_service(GrpcBrokerServer::new(broker.clone()))
        .add_service(GrpcControllerServer::new(Controller(shutdown.clone())))
        .add_service(GrpcStdioServer::from_arc(output.clone()))
        .add_service(GreeterServer::new(MyGreeter { broker, output }))
        .listen(options)
        // A host that was killed does not ask the plug-in to end.
        .exit_when_idle(Duration::from_secs(60))
        .bind()
        .await?;
    println!("{}", Handshake { path, certificate }.to_line());
    // Ctrl-C in a terminal reaches the plug-in, too. The host decides when it ends.
    tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
    // The streams of the broker and of the output do not end by themselves.
    server.serve_with_shutdown(shutdown.notified_owned(), Duration::from_millis(100)).await?;
    Ok(())
}
