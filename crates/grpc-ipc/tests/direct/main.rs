//! Calls of generated code that go directly to the engine, and those that have to go the general way.

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
