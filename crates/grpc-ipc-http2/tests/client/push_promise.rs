//! RFC 9113, 6.6 and 8.4: a client that refuses pushed streams gets none.

use super::{OK, expect_request, failed_with, get};
use crate::util::client;
use crate::util::frame::{code, headers, push_promise};

const PROMISED: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "localhost")];

#[test]
fn rfc9113_8_4_push_promise_is_a_connection_error() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send(push_promise(1, 2, &PROMISED)).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
        failed_with(call, code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_6_6_push_promise_on_stream_0_is_a_connection_error() {
    client(async |mut peer, _client| {
        peer.send(push_promise(0, 2, &PROMISED)).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_5_1_headers_on_a_stream_of_the_server_are_a_connection_error() {
    client(async |mut peer, _client| {
        peer.send(headers(2, &OK).end_stream()).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
    });
}
