//! RFC 9113, 6.8: a server's GOAWAY, and the calls that continue.

use super::{OK, expect_request, failed, get};
use crate::util::client;
use crate::util::engine::{code_of, is_unprocessed};
use crate::util::frame::{code, data, goaway, headers, kind};

#[test]
fn rfc9113_6_8_streams_above_the_last_one_have_not_been_processed() {
    client(async |mut peer, client| {
        let processed = get(&client);
        expect_request(&mut peer, 1).await;
        let ignored = get(&client);
        expect_request(&mut peer, 3).await;
        peer.send(goaway(1, code::NO_ERROR)).await;
        let error = failed(ignored).await;
        assert!(is_unprocessed(&error), "{error:?}");
        peer.send_all(&[headers(1, &OK), data(1, "done").end_stream()]).await;
        assert_eq!(processed.await.unwrap().unwrap().body, b"done");
    });
}

#[test]
fn rfc9113_6_8_the_code_of_goaway_reaches_a_call_that_may_have_been_processed() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send(goaway(1, code::ENHANCE_YOUR_CALM)).await;
        peer.close().await;
        let error = failed(call).await;
        assert_eq!(code_of(&error), Some(code::ENHANCE_YOUR_CALM), "{error:?}");
        assert!(!is_unprocessed(&error), "{error:?}");
    });
}

#[test]
fn rfc9113_6_8_no_stream_is_opened_after_goaway() {
    client(async |mut peer, client| {
        let first = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send(goaway((1 << 31) - 1, code::NO_ERROR)).await;
        peer.still_answers().await;
        let error = failed(get(&client)).await;
        assert!(is_unprocessed(&error), "nothing was sent: {error:?}");
        peer.expect_silence_on(3).await;
        peer.send(headers(1, &OK).end_stream()).await;
        first.await.unwrap().unwrap();
    });
}

#[test]
fn rfc9113_6_8_a_second_goaway_can_lower_the_last_stream() {
    client(async |mut peer, client| {
        let first = get(&client);
        expect_request(&mut peer, 1).await;
        let second = get(&client);
        expect_request(&mut peer, 3).await;
        peer.send_all(&[goaway((1 << 31) - 1, code::NO_ERROR), goaway(1, code::NO_ERROR)]).await;
        let error = failed(second).await;
        assert!(is_unprocessed(&error), "{error:?}");
        peer.send(headers(1, &OK).end_stream()).await;
        first.await.unwrap().unwrap();
    });
}

#[test]
fn rfc9113_6_8_calls_below_the_last_stream_may_have_been_processed_when_the_connection_ends() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send(goaway(1, code::PROTOCOL_ERROR)).await;
        peer.close().await;
        let error = failed(call).await;
        assert!(!is_unprocessed(&error), "{error:?}");
    });
}

#[test]
fn rfc9113_6_8_the_connection_ends_when_its_last_call_has_ended() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send(goaway(1, code::NO_ERROR)).await;
        peer.send(headers(1, &OK).end_stream()).await;
        call.await.unwrap().unwrap();
        drop(client);
        while let Some(frame) = peer.next().await {
            assert!(frame.kind != kind::GOAWAY || frame.u32(4) == code::NO_ERROR, "{frame:?}");
        }
    });
}

#[test]
fn rfc9113_6_8_debug_data_is_no_error() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        let mut frame = goaway(1, code::NO_ERROR);
        frame.payload.extend([0xff; 100]);
        peer.send_all(&[frame, headers(1, &OK).end_stream()]).await;
        call.await.unwrap().unwrap();
    });
}
