use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::direct::DirectEcho;
use super::echo::Echo;
use super::script::Script;
use super::wire::Peer;
use crate::connection::Role;
use crate::{Options, server as end};

/// A server whose client follows a script. The server must not panic, must keep its [invariants], and must end with the
/// client.
///
/// [invariants]: crate::connection::Connection::check_invariants
pub fn server(input: &[u8]) {
    for streams in [false, true] {
        serve(input, streams);
    }
}

/// Returns how many of its calls were direct. `streams` says whether requests have streams of messages or single
/// messages.
pub(super) fn serve(input: &[u8], streams: bool) -> u64 {
    run(async {
        let mut script = Script::new(input);
        let options = options(&mut script);
        let (mut peer, hello) = Peer::of(Role::Server, &mut script);
        let (here, there) = tokio::io::duplex(script.pick(&[1 << 16, 1 << 14, 1000, 100]));
        let (mut read, mut write) = tokio::io::split(here);
        let connection =
            end::Connection::new(there, Echo, options).direct(Box::new(DirectEcho::new(streams)));
        let handle = connection.handle();
        let direct = handle.clone();
        let connection = tokio::spawn(connection);
        // Sent data never waits for long, so that the server is never blocked before its client is.
        let patience = Duration::from_millis(100);
        let mut sent = timeout(patience, write.write_all(&hello)).await.is_ok();
        while !script.is_over() && sent {
            match script.below(8) {
                0 => sleep(script.pick(&[1, 100, 1000, 11_000].map(Duration::from_millis))).await,
                1 => {
                    let mut some = vec![0; 1 << script.below(17)];
                    _ = timeout(patience, read.read(&mut some)).await;
                }
                2 if script.rarely(8) => handle.graceful_shutdown(),
                _ => {
                    let bytes = peer.next(&mut script);
                    sent = timeout(patience, write.write_all(&bytes)).await.is_ok();
                }
            }
        }
        let reads = tokio::spawn(async move { tokio::io::copy(&mut read, &mut tokio::io::sink()).await });
        _ = timeout(patience, write.shutdown()).await;
        let ended = timeout(Duration::from_secs(60), connection).await;
        let ended = ended.expect("the connection ends with its client");
        _ = ended.expect("the connection does not panic");
        _ = timeout(patience, reads).await;
        direct.direct_calls()
    })
}

/// Budgets that do not refill, and limits that a short script can reach.
pub(super) fn options(script: &mut Script<'_>) -> Options {
    let options = Options::new().max_resets(20, 0).max_control_frames(100, 0).max_concurrent_streams(10);
    match script.below(4) {
        0 => options.initial_stream_window(0),
        1 => options.max_output(100).poll_in_place(false).keepalive(Duration::from_secs(1)),
        2 => options.max_header_list_size(200).header_table_size(100),
        _ => options,
    }
}

/// Runs `future` in its own runtime with a simulated clock, so that waiting takes no real time.
pub(super) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O").block_on(future)
}
