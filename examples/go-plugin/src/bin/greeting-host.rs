//! A host of go-plugin's plug-ins, in Rust or in Go: starts one, offers it a dictionary, and has it greet.
//!
//! ```text
//! $ cargo build && cargo run --bin greeting-host target/debug/greeting-plugin
//! the plug-in prints: asked to greet Ada
//! bonjour Ada
//! ```

use anyhow::Context as _;
use grpc_ipc::Server;
use grpc_ipc::tonic::{Request, Response, Status, async_trait};
use tokio::process::Command;

use go_plugin::greeting::dictionary_server::{Dictionary, DictionaryServer};
use go_plugin::greeting::greeter_client::GreeterClient;
use go_plugin::greeting::{GreetRequest, Text};
use go_plugin::host::Plugin;
use go_plugin::tls::install_provider;

/// The service that plug-ins can call.
struct French;

#[async_trait]
impl Dictionary for French {
    async fn translate(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        match request.into_inner().text.as_str() {
            "hello" => Ok(Response::new(Text { text: "bonjour".to_owned() })),
            other => Err(Status::not_found(format!("the dictionary does not have {other:?}"))),
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    install_provider();
    let mut arguments = std::env::args_os().skip(1).peekable();
    // Plug-ins with an old go-plugin, such as Debian 12's, cannot call their host over TLS.
    let tls = arguments.next_if(|argument| argument == "--plain").is_none();
    let mut command = Command::new(arguments.next().context("usage: host [--plain] PLUGIN [ARGUMENT]...")?);
    command.args(arguments);
    let print = |data: go_plugin::proto::StdioData| {
        print!("the plug-in prints: {}", String::from_utf8_lossy(&data.data));
    };
    let plugin = Plugin::start(command, tls, print).await?;
    let dictionary =
        plugin.broker.offer(Server::builder().add_service(DictionaryServer::new(French))).await?;
    let mut greeter = GreeterClient::new(plugin.channel.clone());
    let request = GreetRequest { name: "Ada".to_owned(), dictionary };
    let greeting = greeter.greet(request).await?.into_inner().text;
    plugin.stop().await?;
    println!("{greeting}");
    Ok(())
}
