use std::sync::Weak;
use std::time::Duration;

use grpc_ipc_http2::client::SendRequest;
use tokio::time::sleep;

use super::Connections;

/// Ends a connection beyond the first when it has had no call for this long, or for up to twice as long. It polls, so
/// calls need not report to it.
pub(super) async fn end_when_idle(
    connections: Weak<Connections>,
    connection: Weak<SendRequest>,
    timeout: Duration,
) {
    let mut calls = None;
    loop {
        sleep(timeout).await;
        let (Some(connections), Some(connection)) = (connections.upgrade(), connection.upgrade()) else {
            return;
        };
        let now = connection.calls_if_idle();
        if now.is_some() && now == calls && connections.remove_extra(&connection) {
            return;
        }
        calls = now;
    }
}
