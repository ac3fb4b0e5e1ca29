use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::poll_fn;
use grpc_ipc_http2::server::Handle;
use tokio::time::{Instant, sleep, timeout};

use super::announcement::{Announced, Stage};
use crate::ServerStats;
use crate::listeners::Listeners;
use crate::served::{Offered, Served};

/// The conditions under which a server ends by itself.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// The server can be asked to leave.
    pub(crate) announced: Option<Arc<Announced>>,
    /// The server ends after it has been idle for this long.
    pub(super) idle: Option<Duration>,
}

/// Why a server ends.
pub(crate) enum End {
    /// A client asked it to leave. Its calls may take this long.
    Asked(Duration),
    Idle,
    /// Another process has taken over its addresses. Its calls may take this long, or any time.
    HandedOver(Option<Duration>),
}

/// How long a client that had already connected when the server gave up its address may take to make its first call.
const FIRST_CALL: Duration = Duration::from_secs(1);

/// The shortest time that a server waits for its first client, which may have started it.
const FIRST_CLIENT: Duration = Duration::from_secs(5);

impl Ending {
    /// Waits until the server has to end.
    pub(crate) async fn wait(self, stats: ServerStats) -> End {
        let asked = async {
            match &self.announced {
                Some(announced) => {
                    announced.reached(Stage::Asked).await;
                    announced.drain
                }
                None => pending().await,
            }
        };
        let idle = async {
            match self.idle {
                Some(limit) => idle_for(&stats, limit).await,
                None => pending().await,
            }
        };
        tokio::select! {
            drain = asked => End::Asked(drain),
            () = idle => End::Idle,
        }
    }
}

/// Waits until there has been no new connection and no running call for `limit`, or a little longer. It polls, so calls
/// need not report to it.
async fn idle_for(stats: &ServerStats, limit: Duration) {
    let pause = (limit / 8).max(Duration::from_millis(1));
    let activity = || (stats.accepted_connections(), stats.calls_started());
    let mut seen = activity();
    // When the server was first found idle after the last call.
    let mut since = Some(Instant::now());
    loop {
        sleep(pause).await;
        let now = activity();
        if now != seen || stats.calls_running() > 0 {
            (seen, since) = (now, None);
            continue;
        }
        let limit = if now.0 == 0 { limit.max(FIRST_CLIENT) } else { limit };
        if since.get_or_insert_with(Instant::now).elapsed() >= limit {
            return;
        }
    }
}

/// Ends a server without losing a call: gives up its addresses, then serves the clients that had already connected, and
/// the calls that clients sent before they learned of the end. (`offered` is not changed; services are not `Sync`.)
pub(crate) async fn leave(
    listeners: &mut Listeners,
    connections: &mut Served,
    offered: &mut Offered,
    announced: Option<&Announced>,
) {
    let before = connections.handles();
    let mut late = Vec::new();
    listeners.close();
    // A client that learns of the end connects again, and must find no server then. So the addresses are given up
    // first, which takes effect once the listeners have been polled.
    let mut are_told = false;
    let mut tell = || {
        if !std::mem::replace(&mut are_told, true) {
            if let Some(announced) = &announced {
                announced.addresses_given_up();
            }
            before.iter().for_each(Handle::graceful_shutdown);
        }
    };
    loop {
        let accepted = poll_fn(|cx| {
            let accepted = listeners.connections().poll_next_unpin(cx);
            if accepted.is_pending() {
                tell();
            }
            accepted
        });
        tokio::select! {
            accepted = accepted => match accepted {
                Some(accepted) => late.push(connections.serve(accepted, offered)),
                None => break,
            },
            () = connections.ended() => {}
        }
    }
    tell();
    // These clients connected to make a call. They would see the end of the connection as a failure.
    let called = async {
        while late.iter().any(|late| !late.is_over() && late.calls_started() == 0) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    _ = timeout(FIRST_CALL, called).await;
    connections.go_away();
    connections.all_ended().await;
}
