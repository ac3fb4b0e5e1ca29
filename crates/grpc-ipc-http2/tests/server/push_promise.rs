//! RFC 9113, 6.6 and 8.4: a client cannot push.

use super::{GET, POST};
use crate::util::frame::{code, headers, push_promise};
use crate::util::server;

#[test]
fn rfc9113_8_4_push_promise_of_a_client_is_a_connection_error() {
    for stream in [0, 1, 3] {
        server(async |mut peer| {
            peer.send_all(&[headers(1, &POST), push_promise(stream, 2, &GET)]).await;
            peer.connection_error(code::PROTOCOL_ERROR).await;
        });
    }
}
