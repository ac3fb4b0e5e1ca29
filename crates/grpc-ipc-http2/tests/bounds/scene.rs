//! A server with two connections: one for an attack, one for another client.

use std::panic::Location;
use std::time::Duration;

use grpc_ipc_conformance::Watchdog;
use grpc_ipc_http2::{Error, Options, server};
use tokio::io::duplex;
use tokio::task::JoinHandle;

use super::service::CountingService;
use super::sys::Peak;
use crate::util::engine::code_of;
use crate::util::frame::{Frame, code, headers};
use crate::util::raw::RawPeer;

/// How much either end can write before it has to wait, in octets.
const BUFFER: usize = 64 << 10;

/// The memory of a connection and a test besides what is measured, in octets: read and write buffers, tables, and the
/// peer's data.
pub(super) const BASE: usize = 1 << 20;

/// Runs a test on this thread. When nothing else can run, the clock advances to the next timer.
#[track_caller]
pub(super) fn run(test: impl AsyncFnOnce()) {
    let _watchdog = Watchdog::start(&Location::caller().to_string(), Duration::from_secs(120));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test());
}

/// Runs a test against a server.
#[track_caller]
pub(super) fn server(options: Options, test: impl AsyncFnOnce(Scene)) {
    server_with(options, &[], test);
}

/// The same with settings of the peer.
#[track_caller]
pub(super) fn server_with(options: Options, settings: &[(u16, u32)], test: impl AsyncFnOnce(Scene)) {
    run(async || test(Scene::new(options, settings).await).await);
}

pub(super) struct Scene {
    /// The attacker.
    pub(super) peer: RawPeer,
    /// Another connection to the same service.
    pub(super) other: RawPeer,
    pub(super) service: CountingService,
    /// The server's end of the peer's connection.
    pub(super) connection: JoinHandle<Result<(), Error>>,
    /// Measured from the moment when both connections are established.
    pub(super) peak: Peak,
}

impl Scene {
    pub(super) async fn new(options: Options, settings: &[(u16, u32)]) -> Self {
        let service = CountingService::default();
        let (mut peer, connection) = connect(&service, &options);
        let (mut other, _) = connect(&service, &options);
        peer.greet_server(settings).await;
        other.greet_server(&[]).await;
        Self { peer, other, service, connection, peak: Peak::start() }
    }

    /// Sends octets repeatedly, and runs the other tasks in between.
    pub(super) async fn repeat(&mut self, frames: &[Frame], times: usize) {
        let octets: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        let at_once = (16_usize << 10).div_ceil(octets.len());
        let batch = octets.repeat(at_once);
        let mut left = times;
        while left > 0 {
            let now = left.min(at_once);
            self.peer.send_octets(&batch[..now * octets.len()]).await;
            self.other.still_serves().await;
            left -= now;
        }
    }

    /// The connection ends with this code. The other continues, and no handler is left.
    pub(super) async fn ends_with(mut self, code: u32) -> Peak {
        self.other.still_serves().await;
        self.peer.expect_goaway(&[code]).await;
        let error = self.connection.await.unwrap().unwrap_err();
        assert_eq!(code_of(&error), Some(code), "{error:?}");
        tokio::task::yield_now().await;
        self.other.still_serves().await;
        assert_eq!(self.service.alive(), 0, "handlers are left");
        self.peak
    }

    /// The connection ends with ENHANCE_YOUR_CALM, and has needed no more than this much memory besides [`BASE`].
    #[track_caller]
    pub(super) fn calms_down(self, memory: usize) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            let peak = self.ends_with(code::ENHANCE_YOUR_CALM).await;
            assert!(peak.octets() <= BASE + memory, "{caller}: {} octets", peak.octets());
        }
    }

    /// Both connections continue.
    pub(super) async fn goes_on(&mut self) {
        self.peer.still_serves().await;
        self.other.still_serves().await;
    }
}

/// A connection to a server, to which nothing has been sent.
pub(super) fn connect(
    service: &CountingService,
    options: &Options,
) -> (RawPeer, JoinHandle<Result<(), Error>>) {
    let (ours, theirs) = duplex(BUFFER);
    let connection = server::Connection::new(theirs, service.clone(), options.clone());
    (RawPeer::new(ours), tokio::spawn(connection))
}

/// A request, without END_STREAM.
pub(super) fn post(stream: u32, path: &str) -> Frame {
    let fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost")];
    headers(stream, &fields)
}

/// This many ids of a client's streams, after those of [`RawPeer::still_serves`].
pub(super) fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|index| index * 2 + 1)
}
