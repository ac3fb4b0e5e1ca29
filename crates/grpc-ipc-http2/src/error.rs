use std::error;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Why a stream was reset, or a connection given up
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
    0x06 FRAME_SIZE_ERROR "a frame has a wrong size";
    0x07 REFUSED_STREAM "the stream was refused before anything was done";
    0x08 CANCEL "the stream is no longer needed";
    0x09 COMPRESSION_ERROR "the header compression lost its state";
    0x0a CONNECT_ERROR "the connection of a CONNECT request broke";
    0x0b ENHANCE_YOUR_CALM "the peer causes too much work";
    0x0c INADEQUATE_SECURITY "the transport is not secure enough";
    0x0d HTTP_1_1_REQUIRED "HTTP/1.1 is needed";
}

impl Reason {
    /// The code as it is on the wire.
    #[must_use]
    pub const fn code(self) -> u32 {
        self.0
    }
}

/// Any code may be received; those that are not in RFC 9113 mean nothing in particular.
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

/// Which end did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// This one.
    Local,
    /// The other one.
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

/// Why a connection or a stream of it failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream was reset; others go on.
    #[error("{by} reset the stream: {reason}")]
    Reset {
        /// Who did it.
        by: Side,
        /// Why.
        reason: Reason,
    },
    /// The peer's message was malformed ([RFC 9113, section 8.1.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.1.1)),
    /// and its stream reset with [`PROTOCOL_ERROR`](Reason::PROTOCOL_ERROR); others go on.
    #[error("the peer sent a malformed message: {0}")]
    Malformed(&'static str),
    /// The peer's message had more metadata than [`Options::max_header_list_size`](crate::Options::max_header_list_size),
    /// and its stream was reset with [`ENHANCE_YOUR_CALM`](Reason::ENHANCE_YOUR_CALM); others go on.
    #[error("the peer sent more metadata than `max_header_list_size` allows")]
    TooLarge,
    /// The connection was given up because a rule was broken, or the peer says so.
    #[error("{by} gave up the connection: {reason}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    GoAway {
        /// Who did it.
        by: Side,
        /// Why.
        reason: Reason,
        /// What was wrong, for people.
        detail: String,
    },
    /// The server has not looked at the request: it can be made again on another connection.
    #[error("the server goes away and has not looked at the request")]
    Unprocessed,
    /// The byte stream failed.
    #[error("the connection failed")]
    Io(#[source] Arc<io::Error>),
    /// The byte stream ended while it was needed.
    #[error("the connection was closed")]
    Closed,
    /// The server ended the byte stream before it began with HTTP/2, without a word.
    #[error(
        "the server closed the connection before it sent any HTTP/2; it may be shutting down, or refuse this user"
    )]
    ClosedAtOnce,
    /// The peer speaks another protocol, as far as its first bytes tell.
    #[error("{0}")]
    NotHttp2(&'static str),
    /// The server says that this client may not call ([`refusal::FORBIDDEN`](crate::refusal::FORBIDDEN)).
    #[error("the server refuses this user; allow this user in the server's access policy")]
    Forbidden,
    /// The server says that this client has too many connections
    /// ([`refusal::TOO_MANY_CONNECTIONS`](crate::refusal::TOO_MANY_CONNECTIONS)).
    #[error("this user has too many connections to the server; close some, or raise the server's limit")]
    TooManyConnections,
    /// The peer did not begin with HTTP/2 in time ([`Options::handshake_timeout`](crate::Options::handshake_timeout)).
    #[error("the peer did not begin with HTTP/2 in time")]
    HandshakeTimeout,
    /// The peer did not answer a ping ([`Options::keepalive`](crate::Options::keepalive)).
    #[error("the peer does not answer pings")]
    KeepAlive,
    /// The body of the request failed.
    #[error("the body of the request failed")]
    Body(#[source] Arc<dyn error::Error + Send + Sync>),
    /// The deadline of the call (`grpc-timeout`) has passed.
    #[error("the deadline of the call has passed")]
    DeadlineExceeded,
    /// The message cannot be sent in HTTP/2.
    #[error("cannot be sent in HTTP/2: {0}")]
    Unsendable(&'static str),
}

impl Error {
    /// Whether the server has certainly done nothing, so that the request can be made again.
    #[must_use]
    pub fn is_unprocessed(&self) -> bool {
        matches!(self, Self::Unprocessed | Self::Reset { by: Side::Peer, reason: Reason::REFUSED_STREAM })
    }

    /// Whether the byte stream has ended because the peer let go of it.
    pub(crate) fn is_end_of_peer(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};

        match self {
            Self::Closed => true,
            Self::Io(error) => matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset),
            _ => false,
        }
    }

    /// A rule of the connection that the peer has broken.
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
