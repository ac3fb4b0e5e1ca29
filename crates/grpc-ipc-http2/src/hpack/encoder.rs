use super::dynamic_table::DynamicTable;
use super::{DEFAULT_TABLE_SIZE, entry_size, huffman, integer, static_table};

/// Encodes the header blocks of one direction of a connection. Every encoded block must be sent, in order.
pub(crate) struct Encoder {
    table: DynamicTable<Entry>,
    update: Option<SizeUpdate>,
    /// Added to the table's generation: the number of updates requested and written.
    updates: u64,
}

/// How to encode a field that is not in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Indexing {
    /// Add it, unless it is larger than the table (RFC 7541 section 6.2.1).
    Index,
    /// Add it, unless the table already has an entry with its name that other fields can refer to.
    Name,
    /// Do not add it (RFC 7541 section 6.2.2).
    No,
    /// Do not add it, do not refer to its value if the tables have it, and tell intermediaries to do the same. For
    /// secrets that could be guessed from the length of a block (RFC 7541 section 7.1.3).
    Never,
}

impl Encoder {
    /// An encoder at the start of a connection, with a table of 4096 octets.
    pub(crate) fn new() -> Self {
        Self { table: DynamicTable::new(DEFAULT_TABLE_SIZE), update: None, updates: 0 }
    }

    /// Applies the peer's SETTINGS_HEADER_TABLE_SIZE. At most 4096 octets are used. If the size changes, the next block
    /// begins with an update.
    pub(crate) fn set_max_table_size(&mut self, size: usize) {
        let size = size.min(DEFAULT_TABLE_SIZE);
        let lowest = match &self.update {
            None if size == self.table.max_size() => return,
            None => size,
            Some(update) => update.lowest.min(size),
        };
        self.update = Some(SizeUpdate { lowest, last: size });
        self.updates += 1;
    }

    /// Begins a block. Table size updates come first (RFC 7541 section 4.2): the lowest size since the last block, so
    /// that the peer evicts the same entries, and then the current size.
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        let Some(SizeUpdate { lowest, last }) = self.update.take() else { return };
        self.updates += 1;
        if lowest < last {
            self.update_table_size(lowest, out);
        }
        self.update_table_size(last, out);
    }

    /// Appends a field. A field in the tables is encoded as its index, unless it must never be indexed.
    pub(crate) fn encode(&mut self, name: &[u8], value: &[u8], indexing: Indexing, out: &mut Vec<u8>) {
        debug_assert!(self.update.is_none(), "a block begins with `begin`");
        let size = entry_size(name, value);
        let name_index = match self.find(name, value) {
            Found::Field(index) if indexing != Indexing::Never => {
                integer::encode(index, 7, 0x80, out);
                return;
            }
            Found::Field(index) | Found::Name(index) => index,
            Found::Nothing => 0,
        };
        let adds = indexing == Indexing::Index || indexing == Indexing::Name && name_index == 0;
        match indexing {
            _ if adds && size <= self.table.max_size() => {
                integer::encode(name_index, 6, 0x40, out);
                self.table.insert(Entry { name: name.into(), value: value.into() }, size);
            }
            Indexing::Index | Indexing::Name | Indexing::No => integer::encode(name_index, 4, 0x00, out),
            Indexing::Never => integer::encode(name_index, 4, 0x10, out),
        }
        if name_index == 0 {
            string(name, out);
        }
        string(value, out);
    }

    /// Changes whenever the dynamic table does, and when the next block has to begin with a table size update. A block
    /// that was encoded in this generation without changing it may be sent again.
    pub(crate) fn generation(&self) -> u64 {
        self.table.generation() + self.updates
    }

    /// # Panics
    /// If the table exceeds its limit.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn check_invariants(&self) {
        self.table.check_invariants();
        assert!(self.table.max_size() <= DEFAULT_TABLE_SIZE);
    }

    fn update_table_size(&mut self, size: usize, out: &mut Vec<u8>) {
        integer::encode(size, 5, 0x20, out);
        self.table.set_max_size(size);
    }

    fn find(&self, name: &[u8], value: &[u8]) -> Found {
        let mut found = Found::Nothing;
        let mut look_at = |position: usize, entry_name: &[u8], entry_value: &[u8]| {
            if entry_name != name {
                return false;
            }
            if entry_value == value {
                found = Found::Field(position + 1);
                return true;
            }
            if matches!(found, Found::Nothing) {
                found = Found::Name(position + 1);
            }
            false
        };
        let mut of_that_length = static_table::OF_LENGTH.get(name.len()).copied().unwrap_or_default();
        while of_that_length != 0 {
            let position = of_that_length.trailing_zeros() as usize;
            of_that_length &= of_that_length - 1;
            let (entry_name, entry_value) = static_table::ENTRIES[position];
            if look_at(position, entry_name.as_bytes(), entry_value.as_bytes()) {
                return found;
            }
        }
        for (position, entry) in self.table.iter().enumerate() {
            if look_at(static_table::ENTRIES.len() + position, &entry.name, &entry.value) {
                break;
            }
        }
        found
    }
}

struct Entry {
    name: Box<[u8]>,
    value: Box<[u8]>,
}

/// A change of the table size that the peer does not know of yet.
struct SizeUpdate {
    lowest: usize,
    last: usize,
}

/// An index of the tables (RFC 7541 section 2.3.3).
enum Found {
    Field(usize),
    Name(usize),
    Nothing,
}

/// Appends a string (RFC 7541 section 5.2), Huffman-encoded if that is shorter.
fn string(text: &[u8], out: &mut Vec<u8>) {
    let huffman_len = huffman::encoded_len(text);
    if huffman_len < text.len() {
        integer::encode(huffman_len, 7, 0x80, out);
        huffman::encode(text, out);
    } else {
        integer::encode(text.len(), 7, 0x00, out);
        out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::{Encoder, Indexing, integer, static_table};

    fn encode(encoder: &mut Encoder, fields: &[(&str, &str, Indexing)]) -> Vec<u8> {
        let mut out = Vec::new();
        encoder.begin(&mut out);
        for (name, value, indexing) in fields {
            encoder.encode(name.as_bytes(), value.as_bytes(), *indexing, &mut out);
        }
        out
    }

    const CUSTOM: (&str, &str, Indexing) = ("x", "~~", Indexing::Index);

    #[test]
    fn appendix_c_2_4_an_indexed_field() {
        let mut encoder = Encoder::new();
        assert_eq!(encode(&mut encoder, &[(":method", "GET", Indexing::No)]), [0x82]);
    }

    #[test]
    fn appendix_a_every_entry_is_found_and_a_name_is_that_of_its_first_entry() {
        let entries = static_table::ENTRIES;
        for (position, (name, value)) in entries.into_iter().enumerate() {
            let mut encoder = Encoder::new();
            assert_eq!(encode(&mut encoder, &[(name, value, Indexing::No)]), [0x80 | (position + 1) as u8]);
            let first = entries.iter().position(|(other, _)| *other == name).expect("it is there") + 1;
            let mut expected = Vec::new();
            integer::encode(first, 4, 0x00, &mut expected);
            expected.extend_from_slice(b"\x02~~");
            assert_eq!(encode(&mut encoder, &[(name, "~~", Indexing::No)]), expected, "{name}");
        }
    }

    #[test]
    fn section_4_1_the_table_holds_what_the_peer_can_hold() {
        let mut encoder = Encoder::new();
        encoder.set_max_table_size(35);
        assert_eq!(encode(&mut encoder, &[CUSTOM, CUSTOM]), b"\x3f\x04\x40\x01x\x02~~\xbe");
        encoder.set_max_table_size(34);
        assert_eq!(encode(&mut encoder, &[CUSTOM, CUSTOM]), b"\x3f\x03\x00\x01x\x02~~\x00\x01x\x02~~");
    }

    #[test]
    fn section_4_2_a_change_of_the_size_begins_the_next_block() {
        let mut encoder = Encoder::new();
        encoder.set_max_table_size(256);
        assert_eq!(encode(&mut encoder, &[(":method", "GET", Indexing::Index)]), b"\x3f\xe1\x01\x82");
        assert_eq!(encode(&mut encoder, &[(":method", "GET", Indexing::Index)]), b"\x82");
    }

    #[test]
    fn section_4_2_the_lowest_size_between_two_blocks_is_signaled() {
        let mut encoder = Encoder::new();
        assert_eq!(encode(&mut encoder, &[CUSTOM, CUSTOM]), b"\x40\x01x\x02~~\xbe");
        for size in [100, 0, 50, 4096] {
            encoder.set_max_table_size(size);
        }
        assert_eq!(encode(&mut encoder, &[CUSTOM, CUSTOM]), b"\x20\x3f\xe1\x1f\x40\x01x\x02~~\xbe");
    }

    #[test]
    fn section_4_2_a_falling_size_is_signaled_once() {
        let mut encoder = Encoder::new();
        encoder.set_max_table_size(256);
        encoder.set_max_table_size(0);
        assert_eq!(encode(&mut encoder, &[]), b"\x20");
    }

    #[test]
    fn section_4_2_no_more_than_4096_octets_are_used() {
        let mut encoder = Encoder::new();
        encoder.set_max_table_size(65536);
        assert_eq!(encode(&mut encoder, &[]), b"");
        encoder.set_max_table_size(0);
        encoder.set_max_table_size(usize::MAX);
        assert_eq!(encode(&mut encoder, &[]), b"\x20\x3f\xe1\x1f");
    }

    #[test]
    fn section_4_4_a_field_larger_than_the_table_does_not_empty_it() {
        let mut encoder = Encoder::new();
        let value = "~".repeat(4096);
        encode(&mut encoder, &[CUSTOM]);
        let block = encode(&mut encoder, &[("y", &value, Indexing::Index), CUSTOM]);
        assert_eq!((block[0], block.last()), (0x00, Some(&0xbe)));
    }

    #[test]
    fn section_5_2_a_string_is_huffman_encoded_if_that_is_shorter() {
        let mut encoder = Encoder::new();
        // '0' has 5 bits, so two of them take two octets either way.
        assert_eq!(encode(&mut encoder, &[(":path", "00", Indexing::No)]), b"\x04\x0200");
        assert_eq!(encode(&mut encoder, &[(":path", "000", Indexing::No)]), b"\x04\x82\x00\x01");
        assert_eq!(encode(&mut encoder, &[(":path", "", Indexing::No)]), b"\x04\x00");
    }

    #[test]
    fn section_6_2_2_a_field_that_is_not_to_be_indexed_is_not() {
        let mut encoder = Encoder::new();
        let generation = encoder.generation();
        let (name, value, _) = CUSTOM;
        let field = (name, value, Indexing::No);
        assert_eq!(encode(&mut encoder, &[field, field]), b"\x00\x01x\x02~~\x00\x01x\x02~~");
        assert_eq!(encoder.generation(), generation);
    }

    #[test]
    fn section_6_2_3_a_field_never_to_be_indexed_is_a_literal_even_if_the_tables_have_it() {
        let mut encoder = Encoder::new();
        let (name, value, _) = CUSTOM;
        let never = (name, value, Indexing::Never);
        assert_eq!(
            encode(&mut encoder, &[never, CUSTOM, never]),
            b"\x10\x01x\x02~~\x40\x01x\x02~~\x1f\x2f\x02~~"
        );
        assert_eq!(encode(&mut encoder, &[(":method", "GET", Indexing::Never)]), b"\x12\x03GET");
    }

    #[test]
    fn the_generation_tells_whether_a_block_may_be_sent_again() {
        let mut encoder = Encoder::new();
        let mut seen = vec![encoder.generation()];
        encode(&mut encoder, &[(":method", "GET", Indexing::Index)]);
        assert_eq!(encoder.generation(), seen[0], "nothing was added");
        encode(&mut encoder, &[CUSTOM]);
        seen.push(encoder.generation());
        encode(&mut encoder, &[CUSTOM]);
        assert_eq!(encoder.generation(), seen[1], "it was there");
        encoder.set_max_table_size(65536);
        assert_eq!(encoder.generation(), seen[1], "the size is the same");
        encoder.set_max_table_size(256);
        seen.push(encoder.generation());
        encode(&mut encoder, &[]);
        seen.push(encoder.generation());
        assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    }
}
