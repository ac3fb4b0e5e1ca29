//! The two stacks: grpc-ipc's, and tonic's over the same sockets.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::{FutureExt as _, try_join_all};
use grpc_ipc::tls::{ClientTls, Identity, ServerTls, Trust};
use grpc_ipc::{
    AccessPolicy, Address, BindError, ConnectError, ConnectOptions, EndpointConnector, Http2Options,
    Incoming, ListenOptions, ServeError, Server, shutdown_signal,
};
use http::Uri;
use tonic::transport::{Channel, Endpoint};

use crate::{Ends, Target, services};

const DRAIN: Duration = Duration::from_secs(5);

pub(crate) async fn serve(
    addresses: Vec<String>,
    options: Vec<ListenOptions>,
    services: services::Options,
    ends: Ends,
    max_connection_age: Option<Duration>,
) -> Result<(), Box<dyn Error>> {
    let http2 = match max_connection_age {
        Some(age) => http2(ends).max_connection_age(age),
        None => http2(ends),
    };
    let server = services::add_to(Server::builder().http2(http2), services).await;
    let stop = shutdown_signal()?;
    let server = options.into_iter().fold(server, Server::listen).bind().await?;
    announce(&addresses, server.local_addresses());
    Ok(server.serve_with_shutdown(stop, DRAIN).await?)
}

pub(crate) async fn serve_with_tonic(
    addresses: Vec<String>,
    options: Vec<ListenOptions>,
    services: services::Options,
    max_connection_age: Option<Duration>,
) -> Result<(), Box<dyn Error>> {
    let stop = shutdown_signal()?.shared();
    let incoming = try_join_all(options.into_iter().map(Incoming::bind)).await?;
    let bound: Vec<_> = incoming.iter().flat_map(Incoming::local_addresses).cloned().collect();
    announce(&addresses, &bound);
    let routes = services::routes(services).await;
    let servers = incoming.into_iter().map(|incoming| {
        let mut server = tonic::transport::Server::builder();
        if let Some(age) = max_connection_age {
            server = server.max_connection_age(age);
        }
        server.add_routes(routes.clone()).serve_with_incoming_shutdown(incoming, stop.clone())
    });
    try_join_all(servers).await?;
    Ok(())
}

pub(crate) async fn connect(target: &Target, ends: Ends) -> Result<grpc_ipc::Channel, Box<dyn Error>> {
    Ok(grpc_ipc::Channel::connect(connect_options(target, ends)?).await?)
}

pub(crate) async fn connect_with_tonic(target: &Target, ends: Ends) -> Result<Channel, Box<dyn Error>> {
    let connector = EndpointConnector::new(connect_options(target, ends)?)?;
    let origin = if target.tls.is_some() { "https://localhost" } else { "http://localhost" };
    let endpoint = Endpoint::from_static("http://localhost").origin(Uri::from_static(origin));
    Ok(endpoint.connect_with_connector(connector).await?)
}

/// Prints the addresses as they were given, but with the port that the system chose instead of 0.
fn announce(addresses: &[String], bound: &[Address]) {
    for (address, bound) in addresses.iter().zip(bound) {
        match bound {
            Address::Tcp { .. } if is_tcp(address) => {
                println!("listening on tcp:{}", bound.to_string().trim_start_matches("http://"));
            }
            _ => println!("listening on {address}"),
        }
    }
}

/// Whether it is a TCP address in the form of these peers, `tcp:HOST:PORT`.
fn is_tcp(address: &str) -> bool {
    address.starts_with("tcp:")
}

/// An address of grpc-ipc.
fn ours(address: &str) -> String {
    address.strip_prefix("tcp:").map_or_else(|| address.to_owned(), |tcp| format!("http://{tcp}"))
}

/// The cause of `error` that says that this platform lacks the transport of the address, if there is one.
pub(crate) fn unsupported<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let bind = match error.downcast_ref() {
            Some(ServeError::Bind(error)) => Some(error),
            _ => error.downcast_ref(),
        };
        if matches!(bind, Some(BindError::Unsupported { .. }))
            || matches!(error.downcast_ref(), Some(ConnectError::Unsupported { .. }))
        {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

fn http2(ends: Ends) -> Http2Options {
    match ends.busy_poll {
        Some(microseconds) => Http2Options::new().busy_poll(Duration::from_micros(microseconds)),
        None => Http2Options::new(),
    }
}

fn connect_options(target: &Target, ends: Ends) -> Result<ConnectOptions, Box<dyn Error>> {
    let mut options = ConnectOptions::new(ours(&target.address)).http2(http2(ends));
    if ends.any_user {
        options = options.access(AccessPolicy::dangerous_allow_anyone());
    }
    if let Some(authorities) = &target.tls {
        options = options.tls(ClientTls::new(Trust::authorities(fs::read(authorities)?)?));
    }
    Ok(options)
}

/// The options of each address. `tls` are the files of a certificate and its key.
pub(crate) fn listen_options(
    addresses: &[String],
    ends: Ends,
    tls: Option<&[PathBuf]>,
) -> Result<Vec<ListenOptions>, Box<dyn Error>> {
    let tls = match tls {
        Some([certificate, key]) => {
            Some(ServerTls::new(Identity::from_pem(fs::read(certificate)?, fs::read(key)?)?))
        }
        _ => None,
    };
    let options = |address: &String| {
        let mut options = ListenOptions::new(ours(address));
        if ends.any_user && !is_tcp(address) {
            options = open(options.access(AccessPolicy::dangerous_allow_anyone()));
        }
        match tls.clone() {
            Some(tls) => options.tls(tls),
            None => options,
        }
    };
    Ok(addresses.iter().map(options).collect())
}

/// Makes the system allow every user as well.
#[cfg(unix)]
fn open(options: ListenOptions) -> ListenOptions {
    use grpc_ipc::unix::ListenOptionsExt as _;
    options.mode(0o666)
}

#[cfg(not(unix))]
fn open(options: ListenOptions) -> ListenOptions {
    options
}
