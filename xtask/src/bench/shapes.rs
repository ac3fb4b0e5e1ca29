//! The kinds of calls that are timed, and the stacks that each is measured with.

use super::stack::Stack;

const SIZES: [u32; 4] = [64, 1024, 16 * 1024, 1024 * 1024];
const STREAM_SIZES: [u32; 3] = [100, 64 * 1024, 1024 * 1024];
/// Calls per second of an open loop. Every stack in Rust can make them on one core.
const RATES: [u32; 4] = [1_000, 5_000, 20_000, 40_000];
/// The kinds of calls that stacks in other languages make, too.
const HEADLINES: [&str; 6] =
    ["unary-1-64", "unary-64-64", "unary-1-1048576", "download-65536", "upload-65536", "connect-64"];
/// The kinds of calls that the .NET program makes.
const OF_DOTNET: [&str; 2] = ["unary-1-100", "unary-64-100"];

/// A kind of call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    /// Its name in the programs.
    pub(super) name: String,
    pub(super) section: &'static str,
    /// What distinguishes it in its section.
    pub(super) what: String,
    /// The unit of the figure that is compared first.
    pub(super) primary: &'static str,
    /// The bytes that a message moves in one direction.
    pub(super) size: u32,
}

impl Shape {
    /// All kinds, in the order of the report.
    pub(super) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        let shape = |name, section, what, primary, size| Self { name, section, what, primary, size };
        for size in SIZES {
            for in_flight in [1, 64, 256] {
                let what = format!("{}, {in_flight} in flight", shown(size));
                let primary = if in_flight == 1 { P50 } else { CALLS };
                all.push(shape(format!("unary-{in_flight}-{size}"), UNARY, what, primary, size));
            }
        }
        for (in_flight, primary) in [(1, P50), (64, CALLS)] {
            let what = format!("100 B, {in_flight} in flight");
            all.push(shape(format!("unary-{in_flight}-100"), UNARY, what, primary, 100));
        }
        for (kind, section) in [("download", DOWNLOAD), ("upload", UPLOAD)] {
            for size in STREAM_SIZES {
                all.push(shape(format!("{kind}-{size}"), section, shown(size), MEGABYTES, size));
            }
            let what = "100 B, each sent by a task that awaits it".to_owned();
            all.push(shape(format!("{kind}-100-awaited"), section, what, MEGABYTES, 100));
        }
        for size in STREAM_SIZES {
            all.push(shape(format!("exchange-{size}"), EXCHANGE, shown(size), P50, size));
        }
        all.push(shape("connect-64".to_owned(), CONNECT, "64 B".to_owned(), P50, 64));
        for rate in RATES {
            let what = format!("{rate} calls/s of 64 B");
            all.push(shape(format!("open-{rate}-64"), OPEN_LOOP, what, P50, 64));
        }
        all
    }

    /// Whether a figure with this unit is compared.
    pub(super) fn compares(&self, unit: &str) -> bool {
        unit == self.primary || self.section == OPEN_LOOP && unit == P99
    }

    /// Whether it is one of the most important kinds.
    pub(super) fn is_headline(&self) -> bool {
        HEADLINES.contains(&&*self.name)
    }

    /// Whether a quick run omits it, because it takes long or is like another one.
    pub(super) fn is_slow(&self) -> bool {
        self.name.starts_with("unary-256")
            || self.name == "unary-64-1048576"
            || self.name.ends_with("awaited")
    }

    /// The stacks that have it.
    pub(super) fn stacks(&self) -> Vec<Stack> {
        let is_measured = |stack: &Stack| match stack {
            Stack::Dotnet => OF_DOTNET.contains(&&*self.name),
            stack if stack.is_foreign() => HEADLINES.contains(&&*self.name),
            _ => true,
        };
        Stack::ALL.into_iter().filter(is_measured).collect()
    }
}

pub(super) const UNARY: &str = "Unary calls";
pub(super) const DOWNLOAD: &str = "Download";
pub(super) const UPLOAD: &str = "Upload";
pub(super) const EXCHANGE: &str = "A message there and back on an open stream";
pub(super) const CONNECT: &str = "Connecting and the first call";
pub(super) const OPEN_LOOP: &str = "Calls at a constant rate";

pub(super) const CALLS: &str = "calls/s";
pub(super) const MEGABYTES: &str = "MB/s";
pub(super) const MESSAGES: &str = "messages/s";
pub(super) const P50: &str = "p50 µs";
pub(super) const P99: &str = "p99 µs";
pub(super) const P999: &str = "p99.9 µs";
pub(super) const CLIENT: &str = "client CPU µs/call";
pub(super) const SERVER: &str = "server CPU µs/call";

/// A size in the largest unit that fits.
fn shown(size: u32) -> String {
    match size {
        size if size % (1 << 20) == 0 => format!("{} MiB", size >> 20),
        size if size % (1 << 10) == 0 => format!("{} KiB", size >> 10),
        size => format!("{size} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_headlines_are_measured() {
        let all = Shape::all();
        for name in HEADLINES.iter().chain(&OF_DOTNET) {
            assert!(all.iter().any(|shape| shape.name == *name), "{name}");
        }
        let rows: std::collections::BTreeSet<_> =
            all.iter().map(|shape| (shape.section, &shape.what)).collect();
        assert_eq!(rows.len(), all.len());
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!([64, 1024, 65_536, 1 << 20].map(shown), ["64 B", "1 KiB", "64 KiB", "1 MiB"]);
    }
}
