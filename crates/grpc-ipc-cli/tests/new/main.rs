//! `grpc-ipc new`, and the quick start of the README, as a user meets them.

mod command;
mod quick_start;
mod templates;
mod util;
