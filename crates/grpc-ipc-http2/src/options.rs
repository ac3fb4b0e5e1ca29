use std::sync::Arc;
use std::time::Duration;

use crate::connection::Together;
use crate::frame::{MAX_MAX_FRAME_SIZE, MAX_WINDOW, MIN_MAX_FRAME_SIZE};

/// A window that is opened by fewer bytes than this at a time would make the peer send frames that other
/// implementations, and this one, take for an attack (CVE-2019-9511).
const MIN_STREAM_WINDOW: u32 = 1024;
const DEFAULT_STREAM_WINDOW: u32 = 128 << 10;
const DEFAULT_MAX_STREAM_WINDOW: u32 = 4 << 20;

/// What a connection allows its peer, and how it goes about its work. Every bound but
/// [`max_unsent_together`](Options::max_unsent_together) is on one connection.
///
/// ```
/// use std::time::Duration;
/// use grpc_ipc_http2::Options;
///
/// let options = Options::new().max_concurrent_streams(100).keepalive(Duration::from_secs(30));
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
    pub(crate) poll_in_place: bool,
    pub(crate) https: bool,
}

impl Options {
    /// The defaults.
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
            poll_in_place: true,
            https: false,
        }
    }

    /// How many calls of the peer there may be at a time; of handlers that still run after their streams were reset
    /// there may be as many again. One more call is refused with `REFUSED_STREAM`. A client allows none, whatever is set.
    /// ([RFC 9113, section 5.1.2](https://www.rfc-editor.org/rfc/rfc9113#section-5.1.2).) Default: 1000.
    pub fn max_concurrent_streams(self, streams: u32) -> Self {
        Self { max_concurrent_streams: streams, ..self }
    }

    /// How many bytes of a body the peer may send before somebody reads them, from 1024 to 2^31 - 1. If only this is set,
    /// and not [`max_stream_window`](Self::max_stream_window), it stays the same until the body ends.
    /// ([RFC 9113, section 6.9.2](https://www.rfc-editor.org/rfc/rfc9113#section-6.9.2).) Default: 131072 (128 KiB) to begin
    /// with.
    pub fn initial_stream_window(self, bytes: u32) -> Self {
        Self { initial_stream_window: Some(bytes.clamp(MIN_STREAM_WINDOW, MAX_WINDOW)), ..self }
    }

    /// How far the window of a stream is opened when a body fills half of it, from 1024 to 2^31 - 1 bytes, and within
    /// [`max_unread`](Self::max_unread). A window that was opened stays so until the body ends. Default: 4194304 (4 MiB).
    pub fn max_stream_window(self, bytes: u32) -> Self {
        Self { max_stream_window: Some(bytes.clamp(MIN_STREAM_WINDOW, MAX_WINDOW)), ..self }
    }

    /// By how many bytes the windows of all streams of a connection are opened beyond the initial one. So no more than
    /// this, and the [initial window](Self::initial_stream_window) of each stream, is ever held of bodies that nobody
    /// reads. When it is used up, the windows of further streams stay as they are, and their bodies come more slowly.
    /// Default: 67108864 (64 MiB).
    pub fn max_unread(self, bytes: usize) -> Self {
        Self { max_unread: bytes, ..self }
    }

    /// The window that a stream begins with, and how far it is opened.
    pub(crate) fn stream_windows(&self) -> (u32, u32) {
        match (self.initial_stream_window, self.max_stream_window) {
            (Some(initial), max) => (initial, max.unwrap_or(initial).max(initial)),
            (None, max) => {
                let max = max.unwrap_or(DEFAULT_MAX_STREAM_WINDOW);
                (DEFAULT_STREAM_WINDOW.min(max), max)
            }
        }
    }

    /// How long a frame of the peer may be, from 16384 to 2^24 - 1 bytes.
    /// ([RFC 9113, section 4.2](https://www.rfc-editor.org/rfc/rfc9113#section-4.2).) Default: 65536 (64 KiB).
    pub fn max_frame_size(self, bytes: u32) -> Self {
        Self { max_frame_size: bytes.clamp(MIN_MAX_FRAME_SIZE, MAX_MAX_FRAME_SIZE), ..self }
    }

    /// How large the header fields of a message may be, which are gRPC's metadata: names, values, and 32 bytes for
    /// each. A call with more ends with gRPC's `RESOURCE_EXHAUSTED`; a block of headers that is more than twice as
    /// long on the wire, or comes in more than 32 frames, ends the connection with `ENHANCE_YOUR_CALM`.
    /// ([RFC 9113, section 10.5.1](https://www.rfc-editor.org/rfc/rfc9113#section-10.5.1).) Default: 32768 (32 KiB).
    pub fn max_header_list_size(self, bytes: u32) -> Self {
        Self { max_header_list_size: bytes, ..self }
    }

    /// How many bytes of header fields the peer may have us remember, so that it need not send them again.
    /// ([RFC 7541, section 4.2](https://www.rfc-editor.org/rfc/rfc7541#section-4.2).) Default: 4096.
    pub fn header_table_size(self, bytes: u32) -> Self {
        Self { header_table_size: bytes, ..self }
    }

    /// How many streams of a client the server resets because the client breaks a rule on them (CVE-2025-8671): `burst` at
    /// once, and `per_second` in the long run; each call that ends as it should allows for one more. More ends the
    /// connection with `ENHANCE_YOUR_CALM`. Of streams that the client resets before a handler was called for them
    /// (CVE-2023-44487), 32 count as one, because reading their headers is all they cost. Calls that are given up later,
    /// or refused, do not count: of their handlers no more run at a time than
    /// [`max_concurrent_streams`](Self::max_concurrent_streams) says. Default: 1000 and 200.
    pub fn max_resets(self, burst: u32, per_second: u32) -> Self {
        Self { max_resets: (burst, per_second), ..self }
    }

    /// How many frames that move no message forward (PING, SETTINGS, PRIORITY, empty DATA, small WINDOW_UPDATE and
    /// unknown ones) the peer may send: `burst` at once, and `per_second` in the long run; each message that comes or
    /// goes allows for more. More ends the connection with `ENHANCE_YOUR_CALM` (CVE-2019-9511 to 9518). Default: 1000
    /// and 200.
    pub fn max_control_frames(self, burst: u32, per_second: u32) -> Self {
        Self { max_control_frames: (burst, per_second), ..self }
    }

    /// How many bytes are put into frames before the peer takes them, about; bodies wait when there are more. When even
    /// the headers of answers have no place, a server reads no more until the client does. Default: 262144 (256 KiB).
    pub fn max_output(self, bytes: usize) -> Self {
        Self { max_output: bytes.max(1), ..self }
    }

    /// How many bytes of responses a server keeps for a connection whose client does not take them, about. When there are
    /// more, no handler is called for further requests, and no body of a response is begun, until the client has taken
    /// some. If it takes nothing at all for 5 seconds, calls that wait for that end with gRPC's `RESOURCE_EXHAUSTED`, and so do
    /// further ones. A client keeps nothing but what its own program sends, so this is not for clients.
    /// Default: 134217728 (128 MiB).
    pub fn max_unsent(self, bytes: usize) -> Self {
        Self { max_unsent: bytes, ..self }
    }

    /// How many bytes of responses all connections together keep that are made with clones of these options, as those of
    /// a server are. When there are more, each connection may keep 1 MiB instead of [`max_unsent`](Self::max_unsent) bytes; so
    /// a client that reads notices nothing.
    /// Default: 536870912 (512 MiB).
    pub fn max_unsent_together(self, bytes: usize) -> Self {
        Self { unsent_together: Together::new(bytes), ..self }
    }

    /// Pings the peer when nothing has come from it for this long, also when no call is under way, and gives the
    /// connection up when it does not answer within [`keepalive_timeout`](Self::keepalive_timeout). A process that ends
    /// closes its connections; this finds one that is stopped, and one that does not read. Servers of other
    /// implementations may object to many pings, as grpc-go does to more than one in 5 minutes.
    /// ([gRFC A8](https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md).) Default: never.
    pub fn keepalive(self, interval: Duration) -> Self {
        Self { keepalive: Some(interval), ..self }
    }

    /// How long the peer may say nothing after such a ping. Default: 20 seconds.
    pub fn keepalive_timeout(self, timeout: Duration) -> Self {
        Self { keepalive_timeout: timeout, ..self }
    }

    /// Pings half as often. A client does this for its next connections when a server has ended one with
    /// `ENHANCE_YOUR_CALM` and `too_many_pings`.
    /// ([gRFC A8](https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md).)
    pub fn double_keepalive(self) -> Self {
        Self { keepalive: self.keepalive.map(|interval| interval.saturating_mul(2)), ..self }
    }

    /// How long the peer may take to begin with HTTP/2 once it is connected. For a `Channel` its `connect_timeout` counts
    /// instead. Default: 10 seconds.
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        Self { handshake_timeout: timeout, ..self }
    }

    /// How long the peer may take from the first byte of a block of headers to its last, or of any other frame that is
    /// not DATA. One that takes longer loses the connection with `ENHANCE_YOUR_CALM`: until the block ends, nothing else
    /// can come. A local peer sends all of it at once. Default: 10 seconds.
    pub fn header_timeout(self, timeout: Duration) -> Self {
        Self { header_timeout: timeout, ..self }
    }

    /// How long the peer may take not a byte of what is sent to it before it loses the connection. A process in a
    /// debugger does not read either. [`keepalive`](Self::keepalive) also ends such a connection, unless the peer still
    /// sends. A peer that reads, and leaves the window of a stream closed, holds up that stream alone, for as long as the
    /// call's deadline. Default: any time.
    pub fn stall_timeout(self, timeout: Duration) -> Self {
        Self { stall_timeout: Some(timeout), ..self }
    }

    /// How long a client may make no call before its connection to this server is ended with GOAWAY; it may also stay for
    /// up to twice as long. A `Channel` makes another connection for its next call. A client's own end does not have
    /// this limit. ([gRFC A9](https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md).) Default: any
    /// time.
    pub fn max_connection_idle(self, time: Duration) -> Self {
        Self { max_connection_idle: Some(time), ..self }
    }

    /// How old a client's connection to this server gets, give or take a tenth at random. Then it is ended with GOAWAY:
    /// calls under way finish, and the client makes the next ones on another connection. A client's own end does not have
    /// this limit. ([gRFC A9](https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md).) Default: any
    /// age.
    pub fn max_connection_age(self, age: Duration) -> Self {
        Self { max_connection_age: Some(age), ..self }
    }

    /// How long the calls of a connection that has reached its [age](Self::max_connection_age) may take to finish; what
    /// is left then is cut off. The two together bound everything that a client can be slow at, a body that comes at one
    /// byte a second among it. Default: any time.
    pub fn max_connection_age_grace(self, grace: Duration) -> Self {
        Self { max_connection_age_grace: Some(grace), ..self }
    }

    /// Whether a handler is first polled in the task of its connection. One that is ready at once then costs no task of
    /// its own; any other moves to one. Turn it off for handlers that compute for long before they first wait: they
    /// would hold up the other calls of their connection. Default: `true`.
    pub fn poll_in_place(self, in_place: bool) -> Self {
        Self { poll_in_place: in_place, ..self }
    }

    /// Whether the bytes of the connection are those of TLS: then a client calls the `:scheme` of a request whose URI
    /// has none `https`. Servers may refuse one that is not so, as Kestrel does. The engine itself knows no TLS.
    /// ([RFC 9113, section 8.3.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.3.1).) Default: `false`.
    pub fn https(self, https: bool) -> Self {
        Self { https, ..self }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
