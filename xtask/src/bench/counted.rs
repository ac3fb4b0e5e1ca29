//! What a tool counts, for one call: two runs of different length, and the difference over the difference of their
//! calls. So what a process does before its first call and after its last one does not count.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::build::Profile;
use super::server::Server;
use super::stack::Stack;
use super::{Bench, ONE_CORE};
use crate::Result;

const SHORT: u32 = 1_000;
const LONG: u32 = 3_000;

/// A tool that runs a program and writes `N` counts into a file.
pub(super) struct Counter<const N: usize> {
    /// The words before the program's, given the file.
    pub(super) tool: fn(&Path) -> Vec<OsString>,
    /// The counts in the text of the file.
    pub(super) read: fn(&str) -> Result<[u64; N]>,
}

/// What a call costs each side.
pub(super) struct PerCall<const N: usize> {
    pub(super) client: [f64; N],
    pub(super) server: [f64; N],
}

impl<const N: usize> Counter<N> {
    /// Counts both sides at once, on one core: if only one of them were slowed down by the tool, it would find all the
    /// calls in flight waiting for it, or never more than one. `options` are those of the command `calls`.
    pub(super) fn per_call(&self, bench: &Bench, stack: Stack, options: &[&str]) -> Result<PerCall<N>> {
        let short = self.count(bench, stack, SHORT, options)?;
        let long = self.count(bench, stack, LONG, options)?;
        let difference = |side: usize| {
            std::array::from_fn(|count| {
                (long[side][count] as f64 - short[side][count] as f64) / f64::from(LONG - SHORT)
            })
        };
        Ok(PerCall { client: difference(0), server: difference(1) })
    }

    /// The counts of client and server.
    fn count(&self, bench: &Bench, stack: Stack, calls: u32, options: &[&str]) -> Result<[[u64; N]; 2]> {
        let report = |side: &str| bench.directory.path().join(side);
        let (client, server) = (report("client"), report("server"));
        let calls = calls.to_string();
        let arguments = [&[calls.as_str()], options].concat();
        let process = Server::start(bench, stack, Profile::Release, ONE_CORE, &(self.tool)(&server))?;
        let printed = process.client(&(self.tool)(&client), "calls", &arguments)?;
        process.stop()?;
        if printed.trim() != format!("{calls} calls") {
            return Err(format!("{} was to make {calls} calls: {printed}", stack.name()).into());
        }
        Ok([(self.read)(&fs::read_to_string(client)?)?, (self.read)(&fs::read_to_string(server)?)?])
    }
}
