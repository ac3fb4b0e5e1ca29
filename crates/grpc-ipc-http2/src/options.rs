use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::uri::Authority;

use crate::connection::Together;
use crate::encode::AGENT;
use crate::frame::{MAX_MAX_FRAME_SIZE, MAX_WINDOW, MIN_MAX_FRAME_SIZE};

/// With a smaller window, the peer would send frames so small that this and other implementations treat them as an
/// attack (CVE-2019-9511).
const MIN_STREAM_WINDOW: u32 = 1024;
/// Fits a message of 128 KiB with its prefix.
const DEFAULT_STREAM_WINDOW: u32 = 129 << 10;
/// Fits a message of 4 MiB, the default maximum of gRPC implementations.
const DEFAULT_MAX_STREAM_WINDOW: u32 = (4 << 20) + (64 << 10);

/// Long enough for two peers that both sleep to find out that they could be faster: a wake-up takes up to 25 µs. The
/// model checker and the fuzzer do not use time.
const DEFAULT_BUSY_POLL: Duration = Duration::from_micros(if cfg!(any(shuttle, fuzzing)) { 0 } else { 50 });

/// The limits on what a peer can cost, and settings of a connection. Every limit applies to one connection, except for
/// [`max_unsent_together`](Options::max_unsent_together).
///
/// ```
/// # mod grpc_ipc { pub use grpc_ipc_http2::Options as Http2Options; }
/// use std::time::Duration;
/// use grpc_ipc::Http2Options;
///
/// let options = Http2Options::new().max_concurrent_streams(100).keepalive(Duration::from_secs(30));
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a connection is made with them"]
pub struct Options {
    pub(crate) max_concurrent_streams: u32,
    initial_stream_window: Option<u32>,
    max_stream_window: Option<u32>,
    pub(crate) max_unread: usize,
    pub(crate) max_frame_size: u32,
    pub(crate) max_header_list_size: u32,
    pub(crate) header_table_size: u32,
    pub(crate) max_resets: (u32, u32),
    pub(crate) max_control_frames: (u32, u32),
    pub(crate) max_output: usize,
    pub(crate) max_unsent: usize,
    pub(crate) unsent_together: Arc<Together>,
    pub(crate) keepalive: Option<Duration>,
    pub(crate) keepalive_timeout: Duration,
    pub(crate) handshake_timeout: Duration,
    pub(crate) header_timeout: Duration,
    pub(crate) stall_timeout: Option<Duration>,
    pub(crate) max_connection_idle: Option<Duration>,
    pub(crate) max_connection_age: Option<Duration>,
    pub(crate) max_connection_age_grace: Option<Duration>,
    pub(crate) handler_timeout: Option<Duration>,
    pub(crate) poll_in_place: bool,
    pub(crate) busy_poll: Duration,
    pub(crate) reads_at_once: bool,
    pub(crate) https: bool,
    pub(crate) user_agent: Arc<str>,
    /// Default: `localhost`.
    pub(crate) authority: Option<Arc<str>>,
}

impl Options {
    /// Creates the default options.
    pub fn new() -> Self {
        Self {
            max_concurrent_streams: 1000,
            initial_stream_window: None,
            max_stream_window: None,
            max_unread: 64 << 20,
            max_frame_size: 64 << 10,
            max_header_list_size: 32 << 10,
            header_table_size: 4096,
            max_resets: (1000, 200),
            max_control_frames: (1000, 200),
            max_output: 256 << 10,
            max_unsent: 128 << 20,
            unsent_together: Together::new(512 << 20),
            keepalive: None,
            keepalive_timeout: Duration::from_secs(20),
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            stall_timeout: None,
            max_connection_idle: None,
            max_connection_age: None,
            max_connection_age_grace: None,
            handler_timeout: None,
            poll_in_place: true,
            busy_poll: DEFAULT_BUSY_POLL,
            reads_at_once: false,
            https: false,
            user_agent: AGENT.into(),
            authority: None,
        }
    }

    /// How many calls a client may have at a time. As many handlers again may still run after their streams were reset.
    /// One more call is refused with `REFUSED_STREAM`. Ignored on clients, which accept no calls.
    /// ([RFC 9113, section 5.1.2](https://www.rfc-editor.org/rfc/rfc9113#section-5.1.2).) Default: 1000.
    pub fn max_concurrent_streams(self, streams: u32) -> Self {
        Self { max_concurrent_streams: streams, ..self }
    }

    /// How many unread bytes of a body the peer may send at first, from 1024 to 2^31 - 1. The window then grows up to
    /// [`max_stream_window`](Self::max_stream_window). If only this option is set, the window does not grow.
    /// ([RFC 9113, section 6.9.2](https://www.rfc-editor.org/rfc/rfc9113#section-6.9.2).) Default: 132096 (129
    /// KiB).
    pub fn initial_stream_window(self, bytes: u32) -> Self {
        Self { initial_stream_window: Some(bytes.clamp(MIN_STREAM_WINDOW, MAX_WINDOW)), ..self }
    }

    /// How large the window of a stream may grow, from 1024 to 2^31 - 1 bytes. It grows when a body fills half of it, within
    /// [`max_unread`](Self::max_unread), and does not shrink before the body ends. A message that does not fit
    /// into it comes in parts. Default: 4259840 (4 MiB and 64 KiB).
    pub fn max_stream_window(self, bytes: u32) -> Self {
        Self { max_stream_window: Some(bytes.clamp(MIN_STREAM_WINDOW, MAX_WINDOW)), ..self }
    }

    /// How many bytes the windows of all streams together may grow. A connection therefore holds at most this many
    /// unread bytes of bodies, plus the [initial window](Self::initial_stream_window) of each stream. When it is used
    /// up, windows stop growing, and bodies arrive more slowly. Default: 67108864 (64 MiB).
    pub fn max_unread(self, bytes: usize) -> Self {
        Self { max_unread: bytes, ..self }
    }

    /// The initial window of a stream, and its maximum.
    pub(crate) fn stream_windows(&self) -> (u32, u32) {
        match (self.initial_stream_window, self.max_stream_window) {
            (Some(initial), max) => (initial, max.unwrap_or(initial).max(initial)),
            (None, max) => {
                let max = max.unwrap_or(DEFAULT_MAX_STREAM_WINDOW);
                (DEFAULT_STREAM_WINDOW.min(max), max)
            }
        }
    }

    /// The largest frame that the peer may send, from 16384 to 2^24 - 1 bytes.
    /// ([RFC 9113, section 4.2](https://www.rfc-editor.org/rfc/rfc9113#section-4.2).) Default: 65536 (64 KiB).
    pub fn max_frame_size(self, bytes: u32) -> Self {
        Self { max_frame_size: bytes.clamp(MIN_MAX_FRAME_SIZE, MAX_MAX_FRAME_SIZE), ..self }
    }

    /// The largest metadata of a message in bytes: names, values, and 32 bytes for each field. A call with more ends
    /// with gRPC's `RESOURCE_EXHAUSTED`. A header block that is more than twice as long on the wire, or comes in more
    /// than 32 frames, ends the connection with `ENHANCE_YOUR_CALM`. ([RFC 9113, section
    /// 10.5.1](https://www.rfc-editor.org/rfc/rfc9113#section-10.5.1).) Default: 32768 (32 KiB).
    pub fn max_header_list_size(self, bytes: u32) -> Self {
        Self { max_header_list_size: bytes, ..self }
    }

    /// How many bytes of header fields this end remembers, so that the peer need not send them again.
    /// ([RFC 7541, section 4.2](https://www.rfc-editor.org/rfc/rfc7541#section-4.2).) Default: 4096.
    pub fn header_table_size(self, bytes: u32) -> Self {
        Self { header_table_size: bytes, ..self }
    }

    /// How many streams of a client the server may have to reset because the client breaks a rule on them
    /// (CVE-2025-8671): `burst` at once, and `per_second` in the long run. Each call that ends properly allows one more.
    /// Beyond that, the connection ends with `ENHANCE_YOUR_CALM`.
    ///
    /// 32 streams that the client resets before their handler is called (CVE-2023-44487) count as one, because they cost
    /// only the reading of their headers. Refused calls, and calls that are cancelled later, do not count;
    /// [`max_concurrent_streams`](Self::max_concurrent_streams) limits their handlers. Default: 1000 and 200.
    pub fn max_resets(self, burst: u32, per_second: u32) -> Self {
        Self { max_resets: (burst, per_second), ..self }
    }

    /// How many frames that move no message forward (PING, SETTINGS, PRIORITY, empty DATA, small WINDOW_UPDATE and
    /// unknown ones) the peer may send: `burst` at once, and `per_second` in the long run. Each message in either direction
    /// allows more. Beyond that, the connection ends with `ENHANCE_YOUR_CALM` (CVE-2019-9511 to 9518). Default: 1000 and
    /// 200.
    pub fn max_control_frames(self, burst: u32, per_second: u32) -> Self {
        Self { max_control_frames: (burst, per_second), ..self }
    }

    /// The approximate limit on framed bytes that the peer has not accepted. Beyond it, bodies wait. At 64 KiB more, a server
    /// stops reading and a client starts no calls, until the peer reads. Default: 262144 (256 KiB).
    pub fn max_output(self, bytes: usize) -> Self {
        Self { max_output: bytes.max(1), ..self }
    }

    /// The approximate limit on bytes of responses that a server keeps for a client that does not take them. Beyond it, the
    /// server calls no handler and begins no body of a response until the client has taken some. If the client takes
    /// nothing for 5 seconds, the waiting calls end with gRPC's `RESOURCE_EXHAUSTED`, and so do later ones. Ignored on clients,
    /// which keep only what their own program sends. Default: 134217728 (128 MiB).
    pub fn max_unsent(self, bytes: usize) -> Self {
        Self { max_unsent: bytes, ..self }
    }

    /// The limit on bytes of responses that all connections with clones of these options keep together, such as the
    /// connections of a server. Beyond it, each connection may keep 1 MiB instead of [`max_unsent`](Self::max_unsent) bytes, which
    /// is enough for a client that reads. Default: 536870912 (512 MiB).
    pub fn max_unsent_together(self, bytes: usize) -> Self {
        Self { unsent_together: Together::new(bytes), ..self }
    }

    /// Pings the peer after this long without a byte from it, even when no call is active. The connection ends if the
    /// peer does not answer within [`keepalive_timeout`](Self::keepalive_timeout). A process that ends closes its
    /// connections; keepalive detects a process that is suspended, or does not read. Other servers may object to
    /// frequent pings: grpc-go allows one in 5 minutes. ([gRFC
    /// A8](https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md).) Default: never.
    pub fn keepalive(self, interval: Duration) -> Self {
        Self { keepalive: Some(interval), ..self }
    }

    /// How long the peer may send nothing after a keepalive ping. Default: 20 seconds.
    pub fn keepalive_timeout(self, timeout: Duration) -> Self {
        Self { keepalive_timeout: timeout, ..self }
    }

    /// How long the peer may take to start HTTP/2 after it has connected. A `Channel` uses its `connect_timeout`
    /// instead. Default: 10 seconds.
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        Self { handshake_timeout: timeout, ..self }
    }

    /// How long the peer may take from the first to the last byte of a header block, or of any other frame except DATA.
    /// A slower peer loses the connection with `ENHANCE_YOUR_CALM`, because nothing else can arrive in between. A local
    /// peer normally sends all of it at once. Default: 10 seconds.
    pub fn header_timeout(self, timeout: Duration) -> Self {
        Self { header_timeout: timeout, ..self }
    }

    /// How long the peer may go without reading while data waits for it, before it loses the connection. Note that a
    /// process stopped in a debugger does not read either. [`keepalive`](Self::keepalive) also ends such a connection,
    /// unless the peer still sends. This does not end a peer that reads but keeps the window of one stream closed: that
    /// delays only one call, up to its deadline. Default: no limit.
    pub fn stall_timeout(self, timeout: Duration) -> Self {
        Self { stall_timeout: Some(timeout), ..self }
    }

    /// How long a client may have no call before the server ends its connection with GOAWAY, after one to two times this
    /// long. A `Channel` makes another connection for its next call. Ignored on clients.
    /// ([gRFC A9](https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md).) Default: no limit.
    pub fn max_connection_idle(self, time: Duration) -> Self {
        Self { max_connection_idle: Some(time), ..self }
    }

    /// The maximum age of a client's connection, plus or minus a random tenth, before the server ends it with GOAWAY.
    /// Active calls finish, and the client makes the next ones on another connection. Ignored on clients. ([gRFC
    /// A9](https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md).) Default: no limit.
    pub fn max_connection_age(self, age: Duration) -> Self {
        Self { max_connection_age: Some(age), ..self }
    }

    /// How long active calls may take to finish after a connection has reached its [age](Self::max_connection_age).
    /// Then the connection and its calls end. Together, the two options end every slow client, even one that sends a
    /// body at one byte per second. Default: no limit.
    pub fn max_connection_age_grace(self, grace: Duration) -> Self {
        Self { max_connection_age_grace: Some(grace), ..self }
    }

    /// How long a handler may take to answer after it is called. Then it is dropped, and the call ends with gRPC's
    /// `DEADLINE_EXCEEDED`. An earlier deadline of the caller (`grpc-timeout`) takes precedence. A response that has
    /// begun, such as a stream of messages, may take as long as the caller allows. Ignored on clients. Default: no
    /// limit.
    pub fn handler_timeout(self, timeout: Duration) -> Self {
        Self { handler_timeout: Some(timeout), ..self }
    }

    /// Whether a handler is first polled in the task of its connection. A handler that is ready at once then needs no task
    /// of its own; any other moves to one. Disable it for CPU-bound handlers, which would delay the other calls of their
    /// connection. Default: `true`.
    pub fn poll_in_place(self, in_place: bool) -> Self {
        Self { poll_in_place: in_place, ..self }
    }

    /// How long the task of a connection polls for the next message before its thread sleeps, as a socket with
    /// `SO_BUSY_POLL` does ([socket(7)](https://man7.org/linux/man-pages/man7/socket.7.html)). Zero turns it off.
    ///
    /// A sleeping thread wakes late, because its core sleeps, too. Polling makes small calls between two cores several
    /// times faster. Other tasks run between two polls. On a multi-threaded runtime, a connection that is alone on a
    /// thread may keep it for about 200 microseconds. An idle connection does not poll: it polls only after data has
    /// come or a call has begun. On a multi-threaded runtime, a new connection does not poll until data has come 16
    /// times.
    ///
    /// The price is CPU time: up to this long for a message that comes later, and sometimes four times as long, to test
    /// whether the peer is fast while both ends are awake. Three limits apply. After a wait that took more than eight
    /// times as long, a connection does not poll. If polling was in vain, it does so less and less often, down to one
    /// wait in 1024. The connections of a thread poll together, and waste at most an eighth of its time. Turn polling
    /// off if both ends share a CPU quota, because they then gain nothing. Times above an hour count as an hour.
    /// Default: 50 microseconds.
    pub fn busy_poll(self, time: Duration) -> Self {
        Self { busy_poll: time, ..self }
    }

    /// Whether a repeated read of the byte stream finds data before the runtime has reported it. On a multi-threaded
    /// runtime, [busy polling](Self::busy_poll) then does not need the runtime to poll for I/O, which would wake other
    /// threads each time. Default: `false`.
    pub fn reads_at_once(self, at_once: bool) -> Self {
        Self { reads_at_once: at_once, ..self }
    }

    /// Whether the connection runs over TLS. A client then sends `:scheme: https` if the request's URI has no scheme;
    /// some servers require that, such as Kestrel. The engine itself does not speak TLS. ([RFC 9113, section
    /// 8.3.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.3.1).) Default: `false`.
    pub fn https(self, https: bool) -> Self {
        Self { https, ..self }
    }

    /// The name of the program that makes the calls. A client sends it in `user-agent`, in front of the name of this
    /// library, as [gRPC specifies](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#user-agents), unless
    /// the request has its own `user-agent`. Default: only the name of this library, `grpc-rust-ipc/VERSION`.
    pub fn user_agent(self, program: &HeaderValue) -> Self {
        let program = String::from_utf8_lossy(program.as_bytes());
        Self { user_agent: format!("{program} {AGENT}").into(), ..self }
    }

    /// The `:authority` that a client sends for requests whose URI has no authority. Default: `localhost`.
    pub fn authority(self, authority: &Authority) -> Self {
        Self { authority: Some(authority.as_str().into()), ..self }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
