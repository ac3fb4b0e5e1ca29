//! The command as a user runs it, against real servers.

// Under Wine each start of a program takes long, so what no platform changes is not tested there.

mod bridge;
mod call;
#[cfg(not(windows))]
mod describe;
#[cfg(not(windows))]
mod errors;
#[cfg(not(windows))]
mod files;
mod peers;
mod server;
mod status;
mod util;
