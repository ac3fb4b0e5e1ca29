//! A plug-in: transforms texts, and asks the host for a translation on the way.
//!
//! The host calls it over its standard input, and it calls the host over its standard output. Both
//! are sockets, so messages for people go to standard error. It ends when the host closes the first
//! socket, which also happens when the host crashes.

#[cfg(unix)]
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    use std::os::fd::AsFd as _;

    use grpc_ipc::tonic::{Request, Response, Status, async_trait};
    use grpc_ipc::unix::LocalStream;
    use grpc_ipc::{Channel, Server};

    use {{crate_name}}::plugin::Text;
    use {{crate_name}}::plugin::host_client::HostClient;
    use {{crate_name}}::plugin::plugin_server::{Plugin, PluginServer};

    struct Greeter {
        host: HostClient<Channel>,
    }

    #[async_trait]
    impl Plugin for Greeter {
        async fn transform(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
            let hello = Text {
                text: "hello".to_owned(),
            };
            let greeting = self.host.clone().translate(hello).await?.into_inner().text;
            Ok(Response::new(Text {
                text: format!("{greeting} {}", request.into_inner().text),
            }))
        }
    }

    let calls = LocalStream::try_from(std::io::stdin().as_fd().try_clone_to_owned()?)?;
    let host = LocalStream::try_from(std::io::stdout().as_fd().try_clone_to_owned()?)?;
    let greeter = Greeter {
        host: HostClient::new(Channel::from_connection(host)),
    };
    Ok(Server::builder()
        .add_service(PluginServer::new(greeter))
        .serve_connection(calls)
        .await?)
}

#[cfg(not(unix))]
fn main() {
    eprintln!("this example passes sockets to its plug-ins, which Unix has");
}
