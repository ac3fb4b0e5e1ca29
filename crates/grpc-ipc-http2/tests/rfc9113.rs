//! What RFC 9113 (HTTP/2) and RFC 7541 (HPACK) demand of an engine, in the manner of h2spec: a peer that breaks a rule
//! sends raw frames, and the engine must answer as the RFC says. A test names the section it pins; the peer, which shares
//! no code with the engine, watches in each of them what holds for every frame that an engine sends (`util/raw.rs`).
//!
//! Where the RFC leaves a choice, each choice is accepted. Where it says "stream error", so is a connection error (5.4.1).
//! That "a generic error code can always be used" (5.4) is not, unless the engine is known for it (`util/engine.rs`).

mod client;
mod server;
#[expect(dead_code, reason = "the tests of the bounds use the rest")]
mod util;
