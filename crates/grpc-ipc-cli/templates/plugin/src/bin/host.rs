//! The host: starts plug-ins, calls them, and answers their calls. (Unix)
//!
//! ```text
//! $ cargo build && cargo run --bin host
//! plug-in 1: bonjour Ada
//! plug-in 2: bonjour Ada
//! plug-in 1 has ended: exit status: 0
//! plug-in 2 has ended: exit status: 0
//! ```

#[cfg(unix)]
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    unix::main().await
}

#[cfg(not(unix))]
fn main() {
    eprintln!("this example passes sockets to its plug-ins, which Unix has");
}

#[cfg(unix)]
mod unix {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Command};

    use grpc_ipc::tonic::{Request, Response, Status, async_trait};
    use grpc_ipc::unix::LocalStream;
    use grpc_ipc::{Channel, Server};

    use {{crate_name}}::plugin::Text;
    use {{crate_name}}::plugin::host_server::{Host, HostServer};
    use {{crate_name}}::plugin::plugin_client::PluginClient;

    /// The service that plug-ins can call.
    struct Dictionary;

    #[async_trait]
    impl Host for Dictionary {
        async fn translate(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
            match request.into_inner().text.as_str() {
                "hello" => Ok(Response::new(Text {
                    text: "bonjour".to_owned(),
                })),
                other => Err(Status::not_found(format!(
                    "the dictionary does not have {other:?}"
                ))),
            }
        }
    }

    /// A plug-in and the client that calls it. The plug-in ends when the client is dropped.
    struct Plugin {
        process: Child,
        client: PluginClient<Channel>,
    }

    impl Plugin {
        fn start() -> anyhow::Result<Self> {
            // A connection has one client and one server, so each direction of calls has its own
            // connection.
            let (calls, their_calls) = UnixStream::pair()?;
            let (callbacks, their_callbacks) = UnixStream::pair()?;
            let process = Command::new(std::env::current_exe()?.with_file_name("plugin"))
                .stdin(OwnedFd::from(their_calls))
                .stdout(OwnedFd::from(their_callbacks))
                .spawn()?;
            let callbacks = LocalStream::try_from(callbacks)?;
            // It ends with the plug-in.
            tokio::spawn(
                Server::builder()
                    .add_service(HostServer::new(Dictionary))
                    .serve_connection(callbacks),
            );
            let channel = Channel::from_connection(LocalStream::try_from(calls)?);
            Ok(Self {
                process,
                client: PluginClient::new(channel),
            })
        }
    }

    pub(super) async fn main() -> anyhow::Result<()> {
        let mut plugins = vec![Plugin::start()?, Plugin::start()?];
        for (number, plugin) in (1..).zip(&mut plugins) {
            let text = plugin
                .client
                .transform(Text {
                    text: "Ada".to_owned(),
                })
                .await?
                .into_inner()
                .text;
            println!("plug-in {number}: {text}");
        }
        for (
            number,
            Plugin {
                mut process,
                client,
            },
        ) in (1..).zip(plugins)
        {
            drop(client);
            println!("plug-in {number} has ended: {}", process.wait()?);
        }
        Ok(())
    }
}
