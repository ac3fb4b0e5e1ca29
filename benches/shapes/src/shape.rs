use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// A kind of call. `size` is that of each message's payload, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Unary calls whose response is the request, on one connection.
    Unary {
        /// The number of calls at a time.
        in_flight: u32,
        /// The size of a payload.
        size: u32,
    },
    /// A message there and back on a stream that stays open, one after the other.
    Exchange {
        /// The size of a payload.
        size: u32,
    },
    /// Messages from the server. Each is ready when it is requested, or `awaited`: sent by a task that waits until it
    /// can send the next one.
    Download {
        /// The size of a payload.
        size: u32,
        /// Whether a task sends each message.
        awaited: bool,
    },
    /// Messages to the server, in the same two ways.
    Upload {
        /// The size of a payload.
        size: u32,
        /// Whether a task sends each message.
        awaited: bool,
    },
    /// A new connection and a unary call on it, one after the other.
    Connect {
        /// The size of a payload.
        size: u32,
    },
    /// Unary calls that begin at a constant rate, whether or not earlier ones have ended. Their latency includes the time
    /// by which they began late.
    OpenLoop {
        /// Calls per second.
        rate: u32,
        /// The size of a payload.
        size: u32,
    },
}

impl Display for Shape {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let suffix = |awaited| if awaited { "-awaited" } else { "" };
        match *self {
            Self::Unary { in_flight, size } => write!(to, "unary-{in_flight}-{size}"),
            Self::Exchange { size } => write!(to, "exchange-{size}"),
            Self::Download { size, awaited } => write!(to, "download-{size}{}", suffix(awaited)),
            Self::Upload { size, awaited } => write!(to, "upload-{size}{}", suffix(awaited)),
            Self::Connect { size } => write!(to, "connect-{size}"),
            Self::OpenLoop { rate, size } => write!(to, "open-{rate}-{size}"),
        }
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let words: Vec<_> = name.split('-').collect();
        let number = |word: &str| word.parse::<u32>().ok().filter(|number| *number > 0);
        let shape = match words[..] {
            ["unary", in_flight, size] => {
                number(in_flight).zip(number(size)).map(|(in_flight, size)| Self::Unary { in_flight, size })
            }
            ["exchange", size] => number(size).map(|size| Self::Exchange { size }),
            ["download", size] => number(size).map(|size| Self::Download { size, awaited: false }),
            ["download", size, "awaited"] => number(size).map(|size| Self::Download { size, awaited: true }),
            ["upload", size] => number(size).map(|size| Self::Upload { size, awaited: false }),
            ["upload", size, "awaited"] => number(size).map(|size| Self::Upload { size, awaited: true }),
            ["connect", size] => number(size).map(|size| Self::Connect { size }),
            ["open", rate, size] => {
                number(rate).zip(number(size)).map(|(rate, size)| Self::OpenLoop { rate, size })
            }
            _ => None,
        };
        shape.ok_or_else(|| {
            format!(
                "{name}: expected unary-IN_FLIGHT-BYTES, exchange-BYTES, download-BYTES[-awaited], \
                 upload-BYTES[-awaited], connect-BYTES or open-CALLS_PER_SECOND-BYTES"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for name in [
            "unary-64-1024",
            "exchange-100",
            "download-65536",
            "download-100-awaited",
            "upload-65536",
            "upload-100-awaited",
            "connect-64",
            "open-2000-64",
        ] {
            assert_eq!(name.parse::<Shape>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn what_is_no_shape_is_an_error() {
        for name in ["", "unary", "unary-64", "unary-0-64", "unary-1-64-awaited", "download-x", "open-1"] {
            assert!(name.parse::<Shape>().is_err(), "{name}");
        }
    }
}
