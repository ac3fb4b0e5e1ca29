use std::error;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Why a stream was reset, or a connection was given up
/// ([RFC 9113, section 7](https://www.rfc-editor.org/rfc/rfc9113#section-7)).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(u32);

macro_rules! reasons {
    ($($code:literal $name:ident $text:literal;)*) => {
        impl Reason {
            $(#[doc = concat!("`", stringify!($name), "`: ", $text, ".")]
            pub const $name: Self = Self($code);)*

            fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    0x00 NO_ERROR "nothing is wrong";
    0x01 PROTOCOL_ERROR "a rule of the protocol was broken";
    0x02 INTERNAL_ERROR "the endpoint failed";
    0x03 FLOW_CONTROL_ERROR "more was sent than the window allowed";
    0x04 SETTINGS_TIMEOUT "settings were not acknowledged in time";
    0x05 STREAM_CLOSED "a frame came for a stream that had ended";
    0x06 FRAME_SIZE_ERROR "the size of a frame is invalid";
    0x07 REFUSED_STREAM "the stream was refused before anything was done";
    0x08 CANCEL "the stream is no longer needed";
    0x09 COMPRESSION_ERROR "the header compression lost its state";
    0x0a CONNECT_ERROR "the connection of a CONNECT request broke";
    0x0b ENHANCE_YOUR_CALM "the peer causes too much work";
    0x0c INADEQUATE_SECURITY "the transport is not secure enough";
    0x0d HTTP_1_1_REQUIRED "HTTP/1.1 is needed";
}

impl Reason {
    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u32 {
        self.0
    }
}

/// Any code may be received. Codes that are not in RFC 9113 have no special meaning.
impl From<u32> for Reason {
    fn from(code: u32) -> Self {
        Self(code)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error code {}", self.0),
        }
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// This end.
    Local,
    /// The other end.
    Peer,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "this end",
            Self::Peer => "the peer",
        })
    }
}

/// Why a connection or a stream failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream was reset; other streams continue.
    #[error("{by} reset the stream: {reason}")]
    Reset {
        /// The end that reset it.
        by: Side,
        /// The reason.
        reason: Reason,
    },
    /// The peer's message was malformed ([RFC 9113, section
    /// 8.1.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.1.1)), and its stream was reset with
    /// [`PROTOCOL_ERROR`](Reason::PROTOCOL_ERROR). Other streams continue.
    #[error("the peer sent a malformed message: {0}")]
    Malformed(&'static str),
    /// The peer's message had more metadata than
    /// [`Options::max_header_list_size`](crate::Options::max_header_list_size), and its stream was reset with
    /// [`ENHANCE_YOUR_CALM`](Reason::ENHANCE_YOUR_CALM). Other streams continue.
    #[error("the peer sent more metadata than `max_header_list_size` allows")]
    TooLarge,
    /// One end gave up the connection, because a rule was broken or for another reason.
    #[error("{by} gave up the connection: {reason}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    GoAway {
        /// The end that gave it up.
        by: Side,
        /// The reason.
        reason: Reason,
        /// A description of the problem.
        detail: String,
    },
    /// The server did not process the request. It can be sent again on another connection.
    #[error("the server is shutting down and did not process the request")]
    Unprocessed,
    /// The byte stream failed.
    #[error("the connection failed")]
    Io(#[source] Arc<io::Error>),
    /// The byte stream ended while it was still needed.
    #[error("the connection was closed")]
    Closed,
    /// The server closed the byte stream before it sent any HTTP/2, without an answer.
    #[error(
        "the server closed the connection before it sent any HTTP/2; it may be shutting down, or refuse this user"
    )]
    ClosedAtOnce,
    /// The first bytes of the peer belong to another protocol.
    #[error("{0}")]
    NotHttp2(&'static str),
    /// The server refuses this client ([`refusal::FORBIDDEN`](crate::refusal::FORBIDDEN)).
    #[error("the server refuses this user; allow this user in the server's access policy")]
    Forbidden,
    /// The server says that this client has too many connections
    /// ([`refusal::TOO_MANY_CONNECTIONS`](crate::refusal::TOO_MANY_CONNECTIONS)).
    #[error("this user has too many connections to the server; close some, or raise the server's limit")]
    TooManyConnections,
    /// The peer did not start HTTP/2 in time ([`Options::handshake_timeout`](crate::Options::handshake_timeout)).
    #[error("the peer did not start HTTP/2 in time")]
    HandshakeTimeout,
    /// The peer did not answer a keepalive ping ([`Options::keepalive`](crate::Options::keepalive)).
    #[error("the peer did not answer a keepalive ping")]
    KeepAlive,
    /// The body of the request failed.
    #[error("the body of the request failed")]
    Body(#[source] Arc<dyn error::Error + Send + Sync>),
    /// The deadline of the call (`grpc-timeout`) has passed.
    #[error("the deadline of the call has passed")]
    DeadlineExceeded,
    /// The message cannot be sent over HTTP/2.
    #[error("cannot be sent over HTTP/2: {0}")]
    Unsendable(&'static str),
}

impl Error {
    /// Whether the server has certainly not processed the request, so that it can be sent again.
    #[must_use]
    pub fn is_unprocessed(&self) -> bool {
        matches!(self, Self::Unprocessed | Self::Reset { by: Side::Peer, reason: Reason::REFUSED_STREAM })
    }

    /// Whether the byte stream ended because the peer closed it.
    pub(crate) fn is_end_of_peer(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};

        match self {
            Self::Closed => true,
            Self::Io(error) => matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset),
            _ => false,
        }
    }

    /// The error for a rule that the peer broke on the connection.
    pub(crate) fn violation(reason: Reason, detail: impl Into<String>) -> Self {
        Self::GoAway { by: Side::Local, reason, detail: detail.into() }
    }

    pub(crate) fn protocol(detail: impl Into<String>) -> Self {
        Self::violation(Reason::PROTOCOL_ERROR, detail)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_the_name_of_the_rfc() {
        assert_eq!(Reason::from(0xb).to_string(), "ENHANCE_YOUR_CALM");
        assert_eq!(Reason::from(0xfe).to_string(), "error code 254");
    }

    #[test]
    fn an_error_says_who_and_why() {
        let error = Error::protocol("DATA on stream 0");
        assert_eq!(error.to_string(), "this end gave up the connection: PROTOCOL_ERROR: DATA on stream 0");
        let error = Error::GoAway { by: Side::Peer, reason: Reason::NO_ERROR, detail: String::new() };
        assert_eq!(error.to_string(), "the peer gave up the connection: NO_ERROR");
    }
}
