//! The two stacks: grpc-ipc's, and tonic's over the same sockets.

use std::error::Error;
use std::time::Duration;

use futures_util::future::try_join_all;
use grpc_ipc::{AccessPolicy, ConnectOptions, EndpointConnector, Incoming, ListenOptions, Server};
use grpc_ipc_examples::stop_signal;
use tonic::transport::{Channel, Endpoint};

use crate::services;

const DRAIN: Duration = Duration::from_secs(5);

pub(crate) async fn serve(addresses: Vec<String>, any_user: bool) -> Result<(), Box<dyn Error>> {
    let mut server = services::add_to(Server::builder());
    for address in &addresses {
        server = server.listen(options(address, any_user));
    }
    let server = server.bind().await?;
    announce(addresses);
    Ok(server.serve_with_shutdown(stop_signal(), DRAIN).await?)
}

pub(crate) async fn serve_with_tonic(addresses: Vec<String>, any_user: bool) -> Result<(), Box<dyn Error>> {
    let incoming = addresses.iter().map(|address| Incoming::bind(options(address, any_user)));
    let incoming = try_join_all(incoming).await?;
    announce(addresses);
    let servers = incoming.into_iter().map(|incoming| {
        tonic::transport::Server::builder()
            .add_routes(services::routes())
            .serve_with_incoming_shutdown(incoming, stop_signal())
    });
    try_join_all(servers).await?;
    Ok(())
}

pub(crate) async fn connect(address: &str, any_user: bool) -> Result<grpc_ipc::Channel, Box<dyn Error>> {
    Ok(grpc_ipc::Channel::connect(connect_options(address, any_user)).await?)
}

pub(crate) async fn connect_with_tonic(address: &str, any_user: bool) -> Result<Channel, Box<dyn Error>> {
    let connector = EndpointConnector::new(connect_options(address, any_user))?;
    Ok(Endpoint::from_static("http://localhost").connect_with_connector(connector).await?)
}

fn announce(addresses: Vec<String>) {
    for address in addresses {
        println!("listening on {address}");
    }
}

fn connect_options(address: &str, any_user: bool) -> ConnectOptions {
    let options = ConnectOptions::new(address);
    if any_user { options.access(AccessPolicy::dangerous_allow_anyone()) } else { options }
}

fn options(address: &str, any_user: bool) -> ListenOptions {
    let options = ListenOptions::new(address);
    if any_user { open(options.access(AccessPolicy::dangerous_allow_anyone())) } else { options }
}

/// Lets the system let in everyone, too.
#[cfg(unix)]
fn open(options: ListenOptions) -> ListenOptions {
    use grpc_ipc::unix::ListenOptionsExt as _;
    options.mode(0o666)
}

#[cfg(not(unix))]
fn open(options: ListenOptions) -> ListenOptions {
    options
}
