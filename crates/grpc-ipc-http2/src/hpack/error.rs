/// Why a header block means nothing. Each is a connection error of type COMPRESSION_ERROR (RFC 9113 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// The block ends within an integer (RFC 7541 section 5.1), or before the string that has to follow.
    #[error("the header block is truncated")]
    Truncated,
    /// An integer above 2^32 - 1, or in more octets than such a one needs (RFC 7541 section 5.1).
    #[error("an integer exceeds 32 bits")]
    IntegerOverflow,
    /// A string is longer than what is left of the block (RFC 7541 section 5.2).
    #[error("a string ends beyond the header block")]
    StringPastEnd,
    /// What follows the last symbol is not the beginning of EOS, or is longer than 7 bits (RFC 7541 section 5.2).
    #[error("invalid padding of a Huffman-encoded string")]
    HuffmanPadding,
    /// A string contains the EOS symbol (RFC 7541 section 5.2).
    #[error("a Huffman-encoded string contains EOS")]
    HuffmanEos,
    /// Index 0 (RFC 7541 section 6.1).
    #[error("index 0")]
    IndexZero,
    /// An index beyond the static and the dynamic table (RFC 7541 section 2.3.3).
    #[error("index {index} is beyond the tables")]
    IndexOutOfRange {
        /// The index.
        index: usize,
    },
    /// A table size update above SETTINGS_HEADER_TABLE_SIZE (RFC 7541 section 6.3).
    #[error("a dynamic table size update to {size} exceeds the limit of {limit}")]
    TableSizeAboveLimit {
        /// What the peer wants, in octets.
        size: usize,
        /// What it may have, in octets.
        limit: usize,
    },
    /// More than two table size updates in a block (RFC 7541 section 4.2).
    #[error("more than two dynamic table size updates")]
    TooManyTableSizeUpdates,
    /// A table size update after a field (RFC 7541 section 4.2).
    #[error("a dynamic table size update after a field")]
    TableSizeUpdateAfterField,
}
