use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// A shape of call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Small unary calls, one after the other.
    Unary1,
    /// Small unary calls, 64 at a time on one connection.
    Unary64,
    /// A small message there and back on a stream that stays open, one after the other.
    Exchange,
    /// Messages from the server. Each is ready when it is requested, or `awaited`: sent by a task that waits until it
    /// can send the next one.
    Download { count: u32, size: u32, awaited: bool },
    /// Messages to the server, each awaited.
    Upload { count: u32, size: u32 },
    /// Unary calls, one after the other, with a large message there and back.
    Echo { size: u32 },
}

impl Shape {
    pub(crate) const ALL: [(&'static str, Self); 13] = [
        ("unary-1", Self::Unary1),
        ("unary-64", Self::Unary64),
        ("exchange-1", Self::Exchange),
        ("download-100", Self::Download { count: 100_000, size: 100, awaited: false }),
        ("download-65536", Self::Download { count: 4_000, size: 65_536, awaited: false }),
        ("download-1048576", Self::Download { count: 300, size: 1_048_576, awaited: false }),
        ("download-100-awaited", Self::Download { count: 50_000, size: 100, awaited: true }),
        ("upload-100-awaited", Self::Upload { count: 50_000, size: 100 }),
        ("echo-65536", Self::Echo { size: 65_536 }),
        ("echo-262144", Self::Echo { size: 262_144 }),
        ("echo-1048576", Self::Echo { size: 1_048_576 }),
        ("echo-4194304", Self::Echo { size: 4_194_304 }),
        ("echo-16777216", Self::Echo { size: 16_777_216 }),
    ];
}

impl Display for Shape {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, shape)| shape == self).map_or("?", |(name, _)| name);
        to.write_str(name)
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let shape = Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, shape)| *shape);
        shape.ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name).join(", ");
            format!("there is no such shape of call; expected one of {names}")
        })
    }
}
