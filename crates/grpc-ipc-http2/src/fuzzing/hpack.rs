use super::script::Script;
use crate::hpack::{Decoder, Encoder, Field, Indexing};

/// The fields of a block, with `None` as the value of a malformed field; or `None` if the block cannot be decoded.
pub type Block = Option<Vec<(Vec<u8>, Option<Vec<u8>>)>>;

/// Decodes arbitrary blocks, up to the first invalid one. The table must never exceed its limit. Returns the size of
/// the table, and the blocks with their decoded fields, for a comparison.
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
            // A block that does not change the table has the same meaning again.
            let mut again = Vec::new();
            let result = decoder.decode(block, |field, _| {
                again.push((field.name().to_vec(), field.value().map(<[u8]>::to_vec)));
            });
            assert_eq!(result.map(|()| again), Ok(fields), "the same block");
        }
    }
    (table_size, decoded)
}

/// Encodes arbitrary fields, with changes of the table size. Decoding must give the same fields.
pub fn hpack_round_trip(input: &[u8]) {
    let mut script = Script::new(input);
    let mut encoder = Encoder::new();
    // It accepts any size that the encoder may be given.
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
