use std::sync::LazyLock;

use bytes::Bytes;

use super::dynamic_table::DynamicTable;
use super::field::Name;
use super::{DEFAULT_TABLE_SIZE, DecodeError, ENTRY_OVERHEAD, Field, huffman, integer, static_table};

/// Decodes the header blocks of one direction of a connection.
///
/// Time and memory are linear in the length of a block, because indexed fields are cloned, not copied. The total size
/// of the fields is not: one octet can refer to a field as large as the table. So the caller gets the size of each
/// field.
pub(crate) struct Decoder {
    table: DynamicTable<Entry>,
    max_table_size: usize,
    /// A buffer for Huffman decoding, before the result is copied to a value of the exact size.
    scratch: Vec<u8>,
}

/// An encoder sends the smallest size since the last block and the final one (RFC 7541 section 4.2).
const MAX_SIZE_UPDATES: usize = 2;

impl Decoder {
    /// A decoder at the start of a connection. `max_table_size` is the advertised SETTINGS_HEADER_TABLE_SIZE.
    ///
    /// The peer's table has 4096 octets until the peer changes it: it may ignore a higher limit, and it learns of a
    /// lower one late. In that case, RFC 9113 section 4.3.1 requires the peer to begin a block with the update. This is
    /// not enforced, so without the update the table keeps 4096 octets.
    pub(crate) fn new(max_table_size: usize) -> Self {
        Self { table: DynamicTable::new(DEFAULT_TABLE_SIZE), max_table_size, scratch: Vec::new() }
    }

    /// Decodes one whole header block. `sink` gets every field, with its size for SETTINGS_MAX_HEADER_LIST_SIZE: name
    /// and value, and 32 octets.
    ///
    /// # Errors
    ///
    /// A connection error of type COMPRESSION_ERROR. `sink` has received the earlier fields. The decoder cannot be used
    /// again.
    pub(crate) fn decode(
        &mut self,
        block: &[u8],
        mut sink: impl FnMut(Field, usize),
    ) -> Result<(), DecodeError> {
        self.decode_from(block, 0, |field, size, _| sink(field, size))
    }

    /// The same from a position in the block, after fields that have been decoded. `sink` also gets the length of the
    /// block after each field.
    pub(crate) fn decode_from(
        &mut self,
        block: &[u8],
        position: usize,
        mut sink: impl FnMut(Field, usize, usize),
    ) -> Result<(), DecodeError> {
        let mut before_fields = position == 0;
        let mut block = &block[position..];
        let mut updates = 0;
        while let Some(&first) = block.first() {
            let representation = Representation::of(first);
            if !matches!(representation, Representation::TableSizeUpdate) {
                before_fields = false;
            }
            match representation {
                Representation::Indexed => {
                    let index = integer::decode(7, &mut block)?;
                    let entry = self.entry(index)?;
                    sink(entry.field.clone(), entry.size, block.len());
                }
                Representation::WithIndexing => {
                    let entry = self.literal(6, &mut block)?;
                    sink(entry.field.clone(), entry.size, block.len());
                    let size = entry.size;
                    self.table.insert(entry, size);
                }
                Representation::WithoutIndexing => {
                    let entry = self.literal(4, &mut block)?;
                    sink(entry.field, entry.size, block.len());
                }
                Representation::NeverIndexed => {
                    let mut entry = self.literal(4, &mut block)?;
                    entry.field.set_sensitive();
                    sink(entry.field, entry.size, block.len());
                }
                Representation::TableSizeUpdate => {
                    updates += 1;
                    if updates > MAX_SIZE_UPDATES {
                        return Err(DecodeError::TooManyTableSizeUpdates);
                    }
                    let size = integer::decode(5, &mut block)?;
                    self.update_table_size(size, before_fields)?;
                }
            }
        }
        self.scratch.shrink_to(DEFAULT_TABLE_SIZE);
        Ok(())
    }

    /// Changes whenever the dynamic table does, by an insertion, an eviction or a size update. A block that was decoded
    /// in this generation without changing it has the same meaning again.
    pub(crate) fn generation(&self) -> u64 {
        self.table.generation()
    }

    /// # Panics
    /// If the table exceeds its limit.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn check_invariants(&self) {
        self.table.check_invariants();
        assert!(self.table.max_size() <= self.max_table_size.max(DEFAULT_TABLE_SIZE));
    }

    /// The entry of an index (RFC 7541 section 2.3.3).
    fn entry(&self, index: usize) -> Result<&Entry, DecodeError> {
        let position = index.checked_sub(1).ok_or(DecodeError::IndexZero)?;
        match STATIC_TABLE.get(position) {
            Some(entry) => Ok(entry),
            None => {
                self.table.get(position - STATIC_TABLE.len()).ok_or(DecodeError::IndexOutOfRange { index })
            }
        }
    }

    /// A literal, whose name is a string if its index is 0 (RFC 7541 section 6.2).
    fn literal(&mut self, index_bits: u32, block: &mut &[u8]) -> Result<Entry, DecodeError> {
        let (name, name_len) = match integer::decode(index_bits, block)? {
            0 => {
                let name = string(block, &mut self.scratch)?;
                (Name::new(name), name.len())
            }
            index => {
                let entry = self.entry(index)?;
                (entry.name.clone(), entry.name_len)
            }
        };
        let value = Bytes::copy_from_slice(string(block, &mut self.scratch)?);
        Ok(Entry::new(name, name_len, value))
    }

    fn update_table_size(&mut self, size: usize, before_fields: bool) -> Result<(), DecodeError> {
        if !before_fields {
            return Err(DecodeError::TableSizeUpdateAfterField);
        }
        if size > self.max_table_size {
            return Err(DecodeError::TableSizeAboveLimit { size, limit: self.max_table_size });
        }
        self.table.set_max_size(size);
        Ok(())
    }
}

/// A field of the tables, and its name for further fields.
struct Entry {
    name: Name,
    name_len: usize,
    field: Field,
    size: usize,
}

impl Entry {
    fn new(name: Name, name_len: usize, value: Bytes) -> Self {
        let size = name_len + value.len() + ENTRY_OVERHEAD;
        let field = name.with_value(value);
        Self { name, name_len, field, size }
    }
}

static STATIC_TABLE: LazyLock<[Entry; static_table::ENTRIES.len()]> = LazyLock::new(|| {
    static_table::ENTRIES.map(|(name, value)| {
        Entry::new(Name::new(name.as_bytes()), name.len(), Bytes::from_static(value.as_bytes()))
    })
});

/// The first bits of a field (RFC 7541 section 6).
enum Representation {
    Indexed,
    WithIndexing,
    WithoutIndexing,
    NeverIndexed,
    TableSizeUpdate,
}

impl Representation {
    fn of(first: u8) -> Self {
        match first {
            0x80.. => Self::Indexed,
            0x40.. => Self::WithIndexing,
            0x20.. => Self::TableSizeUpdate,
            0x10.. => Self::NeverIndexed,
            _ => Self::WithoutIndexing,
        }
    }
}

/// Takes a string off the front of `block` (RFC 7541 section 5.2).
fn string<'a, 'b: 'a>(block: &mut &'b [u8], scratch: &'a mut Vec<u8>) -> Result<&'a [u8], DecodeError> {
    let is_huffman = block.first().ok_or(DecodeError::Truncated)? & 0x80 != 0;
    let len = integer::decode(7, block)?;
    let octets = block.split_off(..len).ok_or(DecodeError::StringPastEnd)?;
    if !is_huffman {
        return Ok(octets);
    }
    scratch.clear();
    huffman::decode(octets, scratch)?;
    Ok(scratch)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Decoder;
    use crate::hpack::{DecodeError, Field};

    fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<(Field, usize)>, DecodeError> {
        let mut fields = Vec::new();
        decoder.decode(block, |field, size| fields.push((field, size)))?;
        Ok(fields)
    }

    #[track_caller]
    fn assert_fields(decoder: &mut Decoder, block: &[u8], expected: &[(&str, &str)]) {
        let fields = decode(decoder, block).expect("the block is valid");
        let expected: Vec<_> = expected
            .iter()
            .map(|&(name, value)| {
                let field = Field::new(name, Bytes::copy_from_slice(value.as_bytes()));
                (field, name.len() + value.len() + 32)
            })
            .collect();
        assert_eq!(fields, expected);
    }

    #[track_caller]
    fn assert_error(block: &[u8], expected: DecodeError) {
        assert_eq!(decode(&mut Decoder::new(4096), block), Err(expected));
    }

    /// "custom-key: custom-header" as a literal with incremental indexing.
    const CUSTOM: &[u8] = b"\x40\x0acustom-key\x0dcustom-header";

    #[test]
    fn section_2_3_3_the_dynamic_table_follows_the_static_one() {
        let mut decoder = Decoder::new(4096);
        assert_fields(&mut decoder, b"\x40\x01a\x01b\x40\x01c\x01d", &[("a", "b"), ("c", "d")]);
        assert_fields(&mut decoder, b"\xbd\xbe\xbf", &[("www-authenticate", ""), ("c", "d"), ("a", "b")]);
    }

    #[test]
    fn section_2_3_3_an_index_beyond_the_tables_is_an_error() {
        assert_error(b"\xbe", DecodeError::IndexOutOfRange { index: 62 });
        assert_error(b"\x7e\x01a", DecodeError::IndexOutOfRange { index: 62 });
        assert_error(b"\xff\x80\xff\xff\xff\x07", DecodeError::IndexOutOfRange { index: (1 << 31) - 1 });
    }

    #[test]
    fn section_4_1_an_entry_counts_32_octets_more_than_its_strings() {
        let mut decoder = Decoder::new(4096);
        let fields = decode(&mut decoder, CUSTOM).expect("the block is valid");
        assert_eq!(fields[0].1, 55);
        // A table of exactly that size keeps it; one octet less evicts it.
        assert_fields(&mut decoder, b"\x3f\x18\xbe", &[("custom-key", "custom-header")]);
        assert_eq!(decode(&mut decoder, b"\x3f\x17\xbe"), Err(DecodeError::IndexOutOfRange { index: 62 }));
    }

    #[test]
    fn section_4_1_huffman_encoding_does_not_change_the_size() {
        let fields =
            decode(&mut Decoder::new(4096), b"\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff");
        assert_eq!(fields, Ok(vec![(Field::Authority("www.example.com".into()), 57)]));
    }

    #[test]
    fn section_4_2_table_size_update_after_a_field_is_an_error() {
        assert_error(b"\x82\x20", DecodeError::TableSizeUpdateAfterField);
        assert_error(b"\x20\x82\x20", DecodeError::TableSizeUpdateAfterField);
        assert_error(b"\x10\x01a\x01b\x20", DecodeError::TableSizeUpdateAfterField);
    }

    #[test]
    fn section_4_2_several_table_size_updates_may_begin_a_block() {
        let mut decoder = Decoder::new(4096);
        assert_fields(&mut decoder, CUSTOM, &[("custom-key", "custom-header")]);
        // To 0, which evicts, and back to 4096.
        assert_fields(&mut decoder, b"\x20\x3f\xe1\x1f\x82", &[(":method", "GET")]);
        assert_eq!(decode(&mut decoder, b"\xbe"), Err(DecodeError::IndexOutOfRange { index: 62 }));
    }

    #[test]
    fn section_4_2_more_than_two_table_size_updates_are_an_error() {
        assert_error(b"\x20\x3f\xe1\x1f\x20\x82", DecodeError::TooManyTableSizeUpdates);
        // Each block may begin with two.
        let mut decoder = Decoder::new(4096);
        for _ in 0..3 {
            assert_fields(&mut decoder, b"\x20\x3f\xe1\x1f\x82", &[(":method", "GET")]);
        }
    }

    #[test]
    fn section_4_2_the_next_block_may_begin_with_an_update_again() {
        let mut decoder = Decoder::new(4096);
        assert_fields(&mut decoder, b"\x20\x82", &[(":method", "GET")]);
        assert_fields(&mut decoder, b"\x3e", &[]);
    }

    #[test]
    fn section_4_4_a_new_entry_may_take_its_name_from_one_it_evicts() {
        let mut decoder = Decoder::new(4096);
        // A table of 40 octets takes one entry.
        assert_fields(&mut decoder, b"\x3f\x09\x40\x03abc\x01d", &[("abc", "d")]);
        assert_fields(&mut decoder, b"\x7e\x01e\xbe", &[("abc", "e"), ("abc", "e")]);
        assert_eq!(decode(&mut decoder, b"\xbf"), Err(DecodeError::IndexOutOfRange { index: 63 }));
    }

    #[test]
    fn section_4_4_an_entry_larger_than_the_table_is_no_error_and_empties_it() {
        let mut decoder = Decoder::new(4096);
        assert_fields(&mut decoder, b"\x3f\x09\x40\x03abc\x01d", &[("abc", "d")]);
        assert_fields(&mut decoder, b"\x40\x03abc\x06larger", &[("abc", "larger")]);
        assert_eq!(decode(&mut decoder, b"\xbe"), Err(DecodeError::IndexOutOfRange { index: 62 }));
    }

    #[test]
    fn section_5_1_an_integer_above_32_bits_is_an_error() {
        assert_error(b"\xff\xff\xff\xff\xff\x7f", DecodeError::IntegerOverflow);
        assert_error(b"\x00\x7f\xff\xff\xff\xff\x7f", DecodeError::IntegerOverflow);
        assert_error(b"\x3f\xff\xff\xff\xff\x7f", DecodeError::IntegerOverflow);
    }

    #[test]
    fn section_5_2_a_string_past_the_end_is_an_error() {
        assert_error(b"\x40\x0acustom", DecodeError::StringPastEnd);
        assert_error(b"\x41\x8c\xf1", DecodeError::StringPastEnd);
        assert_error(b"\x41\x7f\x80\xff\xff\xff\x0f", DecodeError::StringPastEnd);
    }

    #[test]
    fn section_5_2_padding_longer_than_7_bits_is_an_error() {
        assert_error(b"\x41\x81\xff", DecodeError::HuffmanPadding);
        assert_error(b"\x00\x82\x1f\xff\x00", DecodeError::HuffmanPadding);
    }

    #[test]
    fn section_5_2_padding_that_is_not_the_beginning_of_eos_is_an_error() {
        assert_error(b"\x41\x81\x18", DecodeError::HuffmanPadding);
    }

    #[test]
    fn section_5_2_eos_is_an_error() {
        assert_error(b"\x41\x84\xff\xff\xff\xff", DecodeError::HuffmanEos);
    }

    #[test]
    fn section_6_1_index_zero_is_an_error() {
        assert_error(b"\x80", DecodeError::IndexZero);
    }

    #[test]
    fn section_6_2_a_block_that_ends_within_a_field_is_an_error() {
        for end in 1..CUSTOM.len() {
            let error = decode(&mut Decoder::new(4096), &CUSTOM[..end]).expect_err("the block is cut");
            assert!(matches!(error, DecodeError::Truncated | DecodeError::StringPastEnd), "{error}");
        }
        assert_error(b"\xff", DecodeError::Truncated);
        assert_error(b"\x3f", DecodeError::Truncated);
    }

    #[test]
    fn section_6_2_2_and_6_2_3_other_literals_do_not_change_the_table() {
        let mut decoder = Decoder::new(4096);
        let generation = decoder.generation();
        assert_fields(
            &mut decoder,
            b"\x00\x01a\x01b\x10\x01a\x01b\x04\x01/",
            &[("a", "b"), ("a", "b"), (":path", "/")],
        );
        assert_eq!(decoder.generation(), generation);
        assert_eq!(decode(&mut decoder, b"\xbe"), Err(DecodeError::IndexOutOfRange { index: 62 }));
    }

    #[test]
    fn section_6_2_3_a_value_that_is_never_indexed_is_sensitive() {
        let is_sensitive = |block: &[u8]| match &decode(&mut Decoder::new(4096), block).as_deref() {
            Ok([(Field::Header(_, value), _)]) => value.is_sensitive(),
            other => panic!("{other:?}"),
        };
        assert!(is_sensitive(b"\x10\x08password\x06secret"));
        assert!(!is_sensitive(b"\x00\x08password\x06secret"));
        assert!(!is_sensitive(b"\x40\x08password\x06secret"));
    }

    #[test]
    fn section_6_3_update_above_the_limit_is_an_error() {
        assert_error(b"\x3f\xe2\x1f", DecodeError::TableSizeAboveLimit { size: 4097, limit: 4096 });
        let mut smaller = Decoder::new(0);
        assert_eq!(decode(&mut smaller, b"\x20"), Ok(vec![]));
        assert_eq!(
            decode(&mut smaller, b"\x21"),
            Err(DecodeError::TableSizeAboveLimit { size: 1, limit: 0 })
        );
    }

    #[test]
    fn section_6_3_update_up_to_the_limit_is_accepted() {
        assert_eq!(decode(&mut Decoder::new(4096), b"\x3f\xe1\x1f"), Ok(vec![]));
        assert_eq!(decode(&mut Decoder::new(65536), b"\x3f\xe1\xff\x03"), Ok(vec![]));
    }

    #[test]
    fn section_7_1_3_malformed_fields_are_decoded_and_indexed_as_any_other() {
        let mut decoder = Decoder::new(4096);
        assert_fields(&mut decoder, b"\x40\x04X-Up\x01a\xbe", &[("X-Up", "a"), ("X-Up", "a")]);
        assert_fields(&mut decoder, b"\x40\x01n\x01\0", &[("n", "\0")]);
        assert_fields(&mut decoder, b"\x0f\x2f\x01v", &[("n", "v")]);
    }

    #[test]
    fn an_empty_block_has_no_fields() {
        assert_fields(&mut Decoder::new(4096), b"", &[]);
    }

    #[test]
    fn the_generation_tells_whether_a_block_means_the_same_again() {
        let mut decoder = Decoder::new(4096);
        let mut changes = |block: &[u8]| {
            let before = decoder.generation();
            decode(&mut decoder, block).expect("the block is valid");
            decoder.generation() != before
        };
        assert!(!changes(b"\x82\x84"));
        assert!(changes(CUSTOM));
        assert!(!changes(b"\xbe\x04\x01/"));
        assert!(changes(b"\x20"));
        assert!(changes(b"\x3f\xe1\x1f"));
        assert!(!changes(b"\x3f\xe1\x1f"), "the size is the same");
    }
}
