//! RFC 9113, 5.1 and 6.4: the frames allowed in each state of a stream.

use super::{OK, expect_request, failed, failed_with, get, post, still_calls};
use crate::util::client;
use crate::util::engine::{code_of, is_unprocessed};
use crate::util::frame::{Frame, code, data, headers, headers_of, rst_stream, window_update};
use crate::util::hpack::literals;
use crate::util::raw::Outcome;

fn on_idle(frame: Frame) {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send(frame.clone()).await;
        peer.connection_error(code::PROTOCOL_ERROR).await;
        failed_with(call, code::PROTOCOL_ERROR).await;
    });
}

#[test]
fn rfc9113_5_1_headers_on_an_idle_stream_are_a_connection_error() {
    on_idle(headers(3, &OK).end_stream());
}

#[test]
fn rfc9113_5_1_data_on_an_idle_stream_is_a_connection_error() {
    on_idle(data(3, "x"));
    on_idle(data(2, "x"));
}

#[test]
fn rfc9113_5_1_rst_stream_on_an_idle_stream_is_a_connection_error() {
    on_idle(rst_stream(3, code::CANCEL));
}

#[test]
fn rfc9113_5_1_window_update_on_an_idle_stream_is_a_connection_error() {
    on_idle(window_update(3, 1));
}

#[test]
fn rfc9113_5_1_data_after_end_stream_is_stream_closed() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send_all(&[headers(1, &OK), data(1, "all").end_stream(), data(1, "more")]).await;
        let accepted = [
            Outcome::Reset(code::STREAM_CLOSED),
            Outcome::ConnectionError(code::STREAM_CLOSED),
            Outcome::ConnectionError(code::PROTOCOL_ERROR),
            Outcome::Ignored,
        ];
        peer.expect_outcome(1, &accepted).await;
        if let Ok(answer) = call.await.unwrap() {
            assert_eq!(answer.body, b"all");
        }
    });
}

#[test]
fn rfc9113_5_1_headers_after_end_stream_are_stream_closed() {
    client(async |mut peer, client| {
        let call = post(&client, "body");
        expect_request(&mut peer, 1).await;
        peer.send_all(&[headers(1, &OK).end_stream(), headers(1, &OK).end_stream()]).await;
        let accepted = [
            Outcome::Reset(code::STREAM_CLOSED),
            Outcome::ConnectionError(code::STREAM_CLOSED),
            Outcome::ConnectionError(code::PROTOCOL_ERROR),
            Outcome::Ignored,
        ];
        peer.expect_outcome(1, &accepted).await;
        _ = call.await.unwrap();
    });
}

/// gRPC's C-core 1.51 does that as a server, when a deadline passes there.
#[test]
fn rfc9113_5_1_a_response_that_comes_twice_costs_neither_its_call_nor_the_connection() {
    let response = || headers(1, &OK).end_stream();
    let reset = || rst_stream(1, code::NO_ERROR);
    for again in [response, || data(1, "more"), || data(1, "").end_stream()] {
        // While the caller has not read the response yet.
        client(async |mut peer, client| {
            let call = post(&client, "body");
            expect_request(&mut peer, 1).await;
            peer.send_all(&[response(), reset(), again()]).await;
            call.await.unwrap().unwrap();
            peer.expect_reset(1, code::STREAM_CLOSED).await;
            still_calls(&mut peer, &client).await;
        });
        // After that.
        client(async |mut peer, client| {
            let call = post(&client, "body");
            expect_request(&mut peer, 1).await;
            peer.send_all(&[response(), reset()]).await;
            call.await.unwrap().unwrap();
            peer.send(again()).await;
            peer.expect_reset(1, code::STREAM_CLOSED).await;
            still_calls(&mut peer, &client).await;
        });
    }
}

#[test]
fn rfc9113_5_1_late_window_update_and_rst_stream_are_accepted() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send(headers(1, &OK).end_stream()).await;
        call.await.unwrap().unwrap();
        peer.send_all(&[window_update(1, 1), rst_stream(1, code::NO_ERROR)]).await;
        still_calls(&mut peer, &client).await;
    });
}

#[test]
fn rfc9113_5_1_frames_on_a_stream_that_the_client_gave_up_are_discarded() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        call.abort();
        peer.expect_reset(1, code::CANCEL).await;
        // The server does not know yet. The field goes into the dynamic table, where the next response refers to it.
        let block = [literals(&OK), b"\x40\x07x-field\x05value".to_vec()].concat();
        peer.send_all(&[headers_of(1, block), data(1, "late"), window_update(1, 1)]).await;
        peer.send(headers(1, &[("x-trailer", "late")]).end_stream()).await;
        let call = get(&client);
        expect_request(&mut peer, 3).await;
        // Of the first two fields, `x-field` is the newest: index 62.
        let block = [literals(&OK), vec![0x80 | 62]].concat();
        peer.send(headers_of(3, block).end_stream()).await;
        assert_eq!(call.await.unwrap().unwrap().head.headers()["x-field"], "value");
    });
}

#[test]
fn rfc9113_6_4_the_code_of_rst_stream_reaches_the_caller() {
    for code in [code::PROTOCOL_ERROR, code::CANCEL, code::ENHANCE_YOUR_CALM, code::REFUSED_STREAM, 0xff] {
        client(async |mut peer, client| {
            let call = get(&client);
            expect_request(&mut peer, 1).await;
            peer.send(rst_stream(1, code)).await;
            let error = failed(call).await;
            assert_eq!(code_of(&error), Some(code), "{error:?}");
            assert_eq!(is_unprocessed(&error), code == code::REFUSED_STREAM, "RFC 9113, 8.7: {error:?}");
            still_calls(&mut peer, &client).await;
        });
    }
}

#[test]
fn rfc9113_6_4_the_code_of_rst_stream_reaches_who_reads_the_body() {
    client(async |mut peer, client| {
        let call = get(&client);
        expect_request(&mut peer, 1).await;
        peer.send_all(&[headers(1, &OK), data(1, "part"), rst_stream(1, code::CANCEL)]).await;
        let error = failed(call).await;
        assert_eq!(code_of(&error), Some(code::CANCEL), "{error:?}");
        still_calls(&mut peer, &client).await;
    });
}

#[test]
fn rfc9113_8_1_a_response_before_the_end_of_the_request_is_not_discarded() {
    client(async |mut peer, client| {
        let call = post(&client, vec![0; 200_000]);
        expect_request(&mut peer, 1).await;
        peer.send_all(&[headers(1, &OK), data(1, "enough").end_stream(), rst_stream(1, code::NO_ERROR)])
            .await;
        assert_eq!(call.await.unwrap().unwrap().body, b"enough");
        peer.send(window_update(0, 1 << 20)).await;
        still_calls(&mut peer, &client).await;
    });
}

/// gRPC's C-core 1.51 answers a call whose deadline has passed, and once more when it receives the client's reset.
#[test]
fn rfc9113_5_1_frames_on_an_answered_stream_that_the_client_reset_are_discarded() {
    client(async |mut peer, client| {
        let call = post(&client, vec![0; 200_000]);
        expect_request(&mut peer, 1).await;
        let answer = [headers(1, &OK).end_stream(), rst_stream(1, code::NO_ERROR)];
        peer.send_all(&answer).await;
        peer.expect_reset(1, code::NO_ERROR).await;
        call.await.unwrap().unwrap();
        peer.send_all(&answer).await;
        peer.send(window_update(0, 1 << 20)).await;
        still_calls(&mut peer, &client).await;
    });
}

#[test]
fn rfc9113_5_4_3_the_end_of_the_connection_fails_the_calls() {
    client(async |mut peer, client| {
        let waiting = get(&client);
        expect_request(&mut peer, 1).await;
        let reading = get(&client);
        expect_request(&mut peer, 3).await;
        peer.send_all(&[headers(3, &OK), data(3, "part")]).await;
        drop(peer);
        for call in [waiting, reading] {
            let error = failed(call).await;
            assert!(!is_unprocessed(&error), "it might have been processed: {error:?}");
        }
    });
}
