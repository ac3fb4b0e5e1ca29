//! RFC 9113, 8.5: CONNECT. This server need not support it, but must not take it for another request.

use super::fields::malformed;
use crate::util::frame::headers;
use crate::util::raw::Outcome;
use crate::util::server;

#[test]
fn rfc9113_8_5_connect_with_a_scheme_and_a_path_is_malformed() {
    let fields = [(":method", "CONNECT"), (":scheme", "http"), (":path", "/"), (":authority", "localhost:1")];
    malformed(headers(1, &fields));
}

#[test]
fn rfc9113_8_5_connect_does_not_harm_the_connection() {
    server(async |mut peer| {
        peer.send(headers(1, &[(":method", "CONNECT"), (":authority", "localhost:1")])).await;
        let outcome = peer.outcome(1).await;
        assert!(!matches!(outcome, Outcome::ConnectionError(_) | Outcome::Closed), "{outcome:?}");
    });
}
