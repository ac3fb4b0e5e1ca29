//! The requirements of RFC 9113 (HTTP/2) and RFC 7541 (HPACK) for an engine, in the manner of h2spec: a peer that
//! breaks a rule sends raw frames, and the engine must answer as the RFC says. Each test names the section it checks.
//! The peer shares no code with the engine, and also checks the rules that apply to every frame that an engine sends
//! (`util/raw.rs`).
//!
//! Where the RFC allows a choice, each choice is accepted. Where it says "stream error", a connection error is
//! accepted, too (5.4.1). "A generic error code can always be used" (5.4) applies only if the engine is known to do
//! that (`util/engine.rs`).

mod client;
mod server;
#[expect(dead_code, reason = "the tests of the bounds use the rest")]
mod util;
