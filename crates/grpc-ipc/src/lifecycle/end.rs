use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::poll_fn;
use grpc_ipc_http2::server::Handle;
use tokio::time::{Instant, sleep, timeout};

use super::announcement::Announced;
use crate::ServerStats;
use crate::listeners::Listeners;
use crate::served::{Offered, Served};

/// The conditions under which a server ends by itself.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// It can be asked to leave.
    pub(super) announced: Option<Arc<Announced>>,
    /// After it was idle for this long.
    pub(super) idle: Option<Duration>,
}

/// Why a server ends.
pub(crate) enum End {
    /// It was asked to, and its calls may go on for this long.
    Asked(Duration),
    Idle,
    /// Another process has taken over its addresses; its calls may go on for this long, or without a limit.
    HandedOver(Option<Duration>),
}

/// How long a client that had connected when the server gave up its address may take to make its first call.
const FIRST_CALL: Duration = Duration::from_secs(1);

/// The shortest time that a server waits for its first client, which may have started it.
const FIRST_CLIENT: Duration = Duration::from_secs(5);

impl Ending {
    /// Waits until the server has to end.
    pub(crate) async fn wait(self, stats: ServerStats) -> End {
        let asked = async {
            match &self.announced {
                Some(announced) => {
                    // This holds the sender.
                    _ = announced.leaving.subscribe().wait_for(|leaving| *leaving).await;
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

/// Waits until there has been no new connection and no running call for `limit`, or a little longer. It checks at
/// intervals, so calls need not report to it.
async fn idle_for(stats: &ServerStats, limit: Duration) {
    let pause = (limit / 8).max(Duration::from_millis(1));
    let activity = || (stats.accepted_connections(), stats.calls_started());
    let mut seen = activity();
    // When it was first found idle, after the end of the last call.
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
/// the calls that clients sent before they heard of the end. (`offered` is not changed; services are not `Sync`.)
pub(crate) async fn leave(listeners: &mut Listeners, connections: &mut Served, offered: &mut Offered) {
    let before = connections.handles();
    let mut late = Vec::new();
    listeners.close();
    // A client that hears of the end connects again. It must find no server, so the addresses are given up first, which
    // is done once the listeners have been polled.
    let mut are_told = false;
    let mut tell = || {
        if !std::mem::replace(&mut are_told, true) {
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
    // They connected to make a call, and would see the end of the connection as a failure.
    let called = async {
        while late.iter().any(|late| !late.is_over() && late.calls_started() == 0) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    _ = timeout(FIRST_CALL, called).await;
    connections.go_away();
    connections.all_ended().await;
}
