//! Connections that the program gives to a server or a channel.

mod util;

use std::io;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use grpc_ipc::memory::Network;
use grpc_ipc::{
    AccessPolicy, BindError, Channel, ConnectError, ConnectOptions, ListenOptions, Peer, PeerStream,
    ServeError, Server,
};
use grpc_ipc_conformance::run;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use tonic::Code;
use util::{DRAIN, MyGreeter, greet};

/// Both ends of a connection, each with this process as its peer.
fn pair() -> (PeerStream<DuplexStream>, PeerStream<DuplexStream>) {
    let (first, second) = duplex(1024);
    let stream = |stream| PeerStream::new(stream, Peer::this_process("memory"));
    (stream(first), stream(second))
}

fn server() -> Server {
    Server::builder().add_service(MyGreeter::default().service())
}

#[test]
fn a_server_of_one_connection_ends_with_it() {
    run("a_server_of_one_connection_ends_with_it", || async {
        let (client, connection) = pair();
        let serving = tokio::spawn(server().serve_connection(connection));
        let channel = Channel::from_connection(client);
        let expected = format!("Hello world, memory:user=?,pid={}", std::process::id());
        assert_eq!(greet(channel.clone(), "world").await.unwrap(), expected);
        assert!(!serving.is_finished());
        drop(channel);
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn a_channel_of_one_connection_says_that_it_cannot_connect_again() {
    run("a_channel_of_one_connection_says_that_it_cannot_connect_again", || async {
        let (client, connection) = pair();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { stopped.await.unwrap_or_default() };
        let serving = tokio::spawn(server().serve_connection_with_shutdown(connection, stopped, DRAIN));
        let options = ConnectOptions::from_connection(client);
        let channel = Channel::connect(options.clone()).await.unwrap();
        greet(channel.clone(), "world").await.unwrap();
        stop.send(()).unwrap();
        serving.await.unwrap().unwrap();
        for _ in 0..2 {
            let status = greet(channel.clone(), "world").await.unwrap_err();
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            let text = format!(
                "cannot connect to connection:memory:user=?,pid={} again: this channel was made from one connection, which \
                 has ended; make another channel",
                std::process::id()
            );
            assert_eq!(status.message(), text);
        }
        let error = Channel::connect(options).await.unwrap_err();
        assert!(matches!(error, ConnectError::Ended { .. }), "{error:?}");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::NotConnected);
    });
}

#[test]
fn a_host_that_dies_ends_its_plugin() {
    run("a_host_that_dies_ends_its_plugin", || async {
        let (client, connection) = pair();
        let greeter = MyGreeter::default();
        let serving =
            tokio::spawn(Server::builder().add_service(greeter.service()).serve_connection(connection));
        let channel = Channel::from_connection(client);
        let call = tokio::spawn(greet(channel, "wait"));
        greeter.called.notified().await;
        call.abort();
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn the_access_policy_is_asked_about_a_given_connection() {
    run("the_access_policy_is_asked_about_a_given_connection", || async {
        let unknown = || {
            let (first, second) = duplex(1024);
            (
                PeerStream::new(first, Peer::this_process("memory")),
                PeerStream::new(second, Peer::new("stdio").with_pid(7)),
            )
        };
        let (client, connection) = unknown();
        let serving = tokio::spawn(server().serve_connection(connection));
        let status = greet(Channel::from_connection(client), "world").await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
        let error = serving.await.unwrap().unwrap_err();
        assert!(matches!(error, ServeError::Refused { .. }), "{error:?}");
        assert!(error.to_string().ends_with(
            "the connection of stdio:user=?,pid=7: it allows the same user or the system (root, SYSTEM); set \
             ListenOptions::access, or tell the server who the peer is (PeerStream)"
        ));

        // The client checks as well.
        let (connection, client) = unknown();
        let serving = tokio::spawn(server().serve_connection(connection));
        let error = Channel::connect(ConnectOptions::from_connection(client)).await.unwrap_err();
        assert!(matches!(error, ConnectError::Untrusted { .. }), "{error:?}");
        serving.await.unwrap().unwrap();

        let (client, connection) = unknown();
        let anyone =
            ListenOptions::from_connection(connection).access(AccessPolicy::dangerous_allow_anyone());
        let serving = tokio::spawn(server().listen(anyone).serve());
        let message = greet(Channel::from_connection(client), "world").await.unwrap();
        assert_eq!(message, "Hello world, stdio:user=?,pid=7");
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn a_server_of_a_stream_ends_when_all_connections_have() {
    run("a_server_of_a_stream_ends_when_all_connections_have", || async {
        let (connections, incoming) = mpsc::unbounded_channel::<io::Result<_>>();
        let incoming =
            stream::unfold(incoming, async |mut incoming| Some((incoming.recv().await?, incoming)));
        let serving = tokio::spawn(server().serve_with_incoming(incoming));
        let (first, connection) = pair();
        connections.send(Ok(connection)).unwrap();
        connections.send(Err(io::ErrorKind::ConnectionReset.into())).unwrap();
        let (second, connection) = pair();
        connections.send(Ok(connection)).unwrap();
        let (first, second) = (Channel::from_connection(first), Channel::from_connection(second));
        greet(first.clone(), "first").await.unwrap();
        greet(second.clone(), "second").await.unwrap();
        drop(connections);
        drop(first);
        greet(second.clone(), "after the end of the stream").await.unwrap();
        assert!(!serving.is_finished());
        drop(second);
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn a_stream_of_bare_connections_serves_until_it_is_told_to_stop() {
    run("a_stream_of_bare_connections_serves_until_it_is_told_to_stop", || async {
        let (client, connection) = pair();
        let incoming = stream::iter([connection]).chain(stream::pending());
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { stopped.await.unwrap_or_default() };
        let serving = tokio::spawn(server().serve_with_incoming_shutdown(incoming, stopped, DRAIN));
        greet(Channel::from_connection(client), "world").await.unwrap();
        stop.send(()).unwrap();
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn a_server_that_has_an_address_as_well_goes_on() {
    run("a_server_that_has_an_address_as_well_goes_on", || async {
        let network = Network::new();
        let listener = network.listen("greeter", AccessPolicy::default()).unwrap();
        let (client, connection) = pair();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { stopped.await.unwrap_or_default() };
        let server = server().listener(listener);
        let serving = tokio::spawn(server.serve_connection_with_shutdown(connection, stopped, DRAIN));
        greet(Channel::from_connection(client), "world").await.unwrap();
        let channel = Channel::from_connector(network.connector("greeter", AccessPolicy::default()));
        greet(channel, "world").await.unwrap();
        stop.send(()).unwrap();
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn connections_are_given_to_one_server() {
    run("connections_are_given_to_one_server", || async {
        let options = ListenOptions::from_incoming(stream::pending::<PeerStream<DuplexStream>>());
        let bound = server().listen(options.clone()).bind().await.unwrap();
        let error = server().listen(options).bind().await.unwrap_err();
        assert!(matches!(error, ServeError::Bind(BindError::Unsupported { .. })), "{error:?}");
        assert!(bound.serve().now_or_never().is_none());
        // A stream without connections ends at once.
        let empty = stream::empty::<PeerStream<DuplexStream>>();
        server().serve_with_incoming_shutdown(empty, std::future::pending(), Duration::ZERO).await.unwrap();
    });
}

/// Three lines at each end.
#[cfg(all(unix, feature = "uds"))]
#[test]
fn a_socketpair_leads_to_whoever_made_it() {
    use grpc_ipc::unix::LocalStream;
    use std::os::unix::net::UnixStream;

    run("a_socketpair_leads_to_whoever_made_it", || async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let serving = tokio::spawn(server().serve_connection(LocalStream::try_from(theirs).unwrap()));
        let channel = Channel::from_connection(LocalStream::try_from(ours).unwrap());
        let message = greet(channel.clone(), "world").await.unwrap();
        let peer = channel.peer().unwrap();
        assert_eq!(peer.pid(), Some(std::process::id()));
        assert_eq!(message, format!("Hello world, {peer}"));
        let before = channel.general_calls();
        greet(channel.clone(), "again").await.unwrap();
        assert_eq!(channel.general_calls(), before, "as directly as over a listener");
        drop(channel);
        serving.await.unwrap().unwrap();
    });
}
