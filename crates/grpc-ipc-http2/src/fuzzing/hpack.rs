use super::script::Script;
use crate::hpack::{Decoder, Encoder, Field, Indexing};

/// The fields of a block, the value of a malformed one being `None`; or that it cannot be decoded.
pub type Block = Option<Vec<(Vec<u8>, Option<Vec<u8>>)>>;

/// Arbitrary blocks, up to the first that is wrong: they are decoded, and the table is never larger than it may be. What
/// they are decoded to is given back with the blocks and the size of the table, for a comparison.
pub fn hpack_decode(input: &[u8]) -> (usize, Vec<(&[u8], Block)>) {
    let mut script = Script::new(input);
    let table_size = script.pick(&[4096, 0, 40, 100, 65_536]);
    let mut decoder = Decoder::new(table_size);
    let mut decoded = Vec::new();
    while !script.is_over() {
        let block = if script.rarely(4) { script.rest() } else { script.bytes() };
        let generation = decoder.generation();
        let mut fields = Vec::new();
        let result = decoder.decode(block, |field, size| {
            let (name, value) = (field.name().to_vec(), field.value().map(<[u8]>::to_vec));
            let least = name.len() + value.as_ref().map_or(0, Vec::len) + 32;
            assert!(size == least || value.is_none() && size > least - 1, "a field of {size} octets");
            fields.push((name, value));
        });
        decoder.check_invariants();
        let ended = result.is_err();
        decoded.push((block, result.is_ok().then_some(fields.clone())));
        if ended {
            break;
        }
        if decoder.generation() == generation {
            // A block that leaves the table as it is means the same again.
            let mut again = Vec::new();
            let result = decoder.decode(block, |field, _| {
                again.push((field.name().to_vec(), field.value().map(<[u8]>::to_vec)));
            });
            assert_eq!(result.map(|()| again), Ok(fields), "the same block");
        }
    }
    (table_size, decoded)
}

/// Arbitrary fields, and changes of the size of the table: what is encoded is decoded to the same.
pub fn hpack_round_trip(input: &[u8]) {
    let mut script = Script::new(input);
    let mut encoder = Encoder::new();
    // It accepts what the encoder may have been told at any time.
    let mut decoder = Decoder::new(4096);
    let mut block = Vec::new();
    while !script.is_over() {
        for _ in 0..script.below(4) {
            let size = script.pick(&[0, 1, 33, 34, 64, 100, 1000, 4095, 4096, 4097, usize::MAX]);
            encoder.set_max_table_size(size);
        }
        block.clear();
        encoder.begin(&mut block);
        let mut fields = Vec::new();
        for _ in 0..script.below(8) {
            let name = match script.below(4) {
                0 => script.bytes(),
                _ => script.pick(&[":path", ":status", "te", "x", "x-longer", "content-type", ""]).as_bytes(),
            };
            let value = match script.below(4) {
                0 => script.bytes().repeat(script.below(32)),
                1 => script.pick(&["200", "/", "trailers", "", "a", " "]).into(),
                _ => vec![b'v'; script.below(40)],
            };
            let indexing = script.pick(&[Indexing::Index, Indexing::No, Indexing::Never]);
            encoder.encode(name, &value, indexing, &mut block);
            encoder.check_invariants();
            fields.push((name, value, indexing));
        }
        let mut decoded = Vec::new();
        let result = decoder.decode(&block, |field, size| decoded.push((field, size)));
        assert_eq!(result, Ok(()), "what was encoded cannot be decoded");
        decoder.check_invariants();
        assert_eq!(decoded.len(), fields.len(), "the number of fields");
        for ((field, size), (name, value, indexing)) in decoded.iter().zip(&fields) {
            assert_eq!(field.name(), *name);
            assert_eq!(*size, name.len() + value.len() + 32);
            assert!(field.value().is_none_or(|decoded| decoded == value), "{field:?} is not {value:?}");
            if let Field::Header(_, value) = field {
                assert_eq!(value.is_sensitive(), *indexing == Indexing::Never);
            }
        }
    }
}
