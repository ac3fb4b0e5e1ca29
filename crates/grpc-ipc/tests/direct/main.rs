//! Calls of generated code that are direct, and calls that have to take the general path.

mod authorize;
mod client_paths;
mod deadlines;
mod interceptors;
#[path = "../util/other.rs"]
mod other;
mod same_outcome;
mod server_paths;
mod several_services;
mod streams;
mod util;
