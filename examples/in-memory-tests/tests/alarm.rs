//! Server and client in one process, over memory. The tests leave no files behind, do not affect each other, and can
//! pause time.

use std::error::Error;
use std::time::Duration;

use grpc_ipc::memory::Network;
use grpc_ipc::tonic::{Code, Request};
use grpc_ipc::{AccessPolicy, Channel, ListenOptions, Peer, PeerStream, UserId};
use in_memory_tests::alarm::alarm_client::AlarmClient;
use in_memory_tests::alarm::{ClearRequest, Timer};
use in_memory_tests::server;

type Result = std::result::Result<(), Box<dyn Error>>;

// ANCHOR: client
/// A client and its server, both in this process.
fn client() -> std::result::Result<AlarmClient<Channel>, Box<dyn Error>> {
    let network = Network::new();
    let server = server().listener(network.listen("alarm", AccessPolicy::default())?);
    tokio::spawn(server.serve());
    Ok(AlarmClient::new(Channel::from_connector(network.connector("alarm", AccessPolicy::default()))))
}
// ANCHOR_END: client

// ANCHOR: another-user
/// A client that looks to the server like one of `user`.
fn client_of(user: UserId) -> AlarmClient<Channel> {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let connection = PeerStream::new(theirs, Peer::new("memory").with_user(user));
    let options = ListenOptions::from_connection(connection).access(AccessPolicy::dangerous_allow_anyone());
    tokio::spawn(server().listen(options).serve());
    AlarmClient::new(Channel::from_connection(PeerStream::new(ours, Peer::this_process("memory"))))
}
// ANCHOR_END: another-user

// ANCHOR: paused
#[tokio::test(start_paused = true)]
async fn an_alarm_rings_after_an_hour_of_paused_time() -> Result {
    let ring = client()?.set(Timer { seconds: 3600 }).await?;
    assert_eq!(ring.into_inner().after_seconds, 3600);
    Ok(())
}
// ANCHOR_END: paused

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_first_ends_the_call() -> Result {
    let mut request = Request::new(Timer { seconds: 3600 });
    request.set_timeout(Duration::from_secs(60));
    assert_eq!(client()?.set(request).await.unwrap_err().code(), Code::DeadlineExceeded);
    Ok(())
}

// ANCHOR: authorization
#[tokio::test]
async fn only_root_clears_timers() -> Result {
    assert!(client_of(UserId::Uid(0)).clear(ClearRequest {}).await.is_ok());
    let refused = client_of(UserId::Uid(1000)).clear(ClearRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    Ok(())
}
// ANCHOR_END: authorization
