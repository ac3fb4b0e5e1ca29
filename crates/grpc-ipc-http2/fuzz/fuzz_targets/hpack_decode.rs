//! See `grpc_ipc_http2::fuzzing::hpack_decode`; what comes out is compared with another decoder's.
#![no_main]

use grpc_ipc_http2::fuzzing;
use loona_hpack::Decoder;
use loona_hpack::decoder::DecoderError;

libfuzzer_sys::fuzz_target!(|input: &[u8]| compare(input));

fn compare(input: &[u8]) {
    let (table_size, blocks) = fuzzing::hpack_decode(input);
    let mut decoder = Decoder::new();
    decoder.set_max_allowed_table_size(table_size);
    for (block, ours) in blocks {
        let theirs = decoder.decode(block);
        match (ours, theirs) {
            (Some(ours), Ok(theirs)) => {
                assert_eq!(ours.len(), theirs.len(), "the number of fields");
                for ((name, value), (their_name, their_value)) in ours.into_iter().zip(theirs) {
                    assert_eq!(name, their_name);
                    assert!(value.is_none_or(|value| value == their_value), "the value of {their_name:?}");
                }
            }
            // It takes updates of the size after fields; ours takes integers of five octets, and an update at the end.
            (None, Ok(_))
            | (Some(_), Err(DecoderError::SizeUpdateAtEnd | DecoderError::IntegerDecodingError(_))) => return,
            (None, Err(_)) => return,
            (Some(ours), Err(error)) => panic!("{error}, and ours has {ours:?}"),
        }
    }
}
