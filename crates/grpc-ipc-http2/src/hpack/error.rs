/// Why a header block is invalid. Each is a connection error of type COMPRESSION_ERROR (RFC 9113 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// The block ends within an integer (RFC 7541 section 5.1), or before a required string.
    #[error("the header block is truncated")]
    Truncated,
    /// An integer exceeds 2^32 - 1, or has more octets than such an integer needs (RFC 7541 section 5.1).
    #[error("an integer exceeds 32 bits")]
    IntegerOverflow,
    /// A string is longer than the rest of the block (RFC 7541 section 5.2).
    #[error("a string ends beyond the header block")]
    StringPastEnd,
    /// The bits after the last symbol are not the beginning of EOS, or more than 7 (RFC 7541 section 5.2).
    #[error("invalid padding of a Huffman-encoded string")]
    HuffmanPadding,
    /// A string contains the EOS symbol (RFC 7541 section 5.2).
    #[error("a Huffman-encoded string contains EOS")]
    HuffmanEos,
    /// Index 0 (RFC 7541 section 6.1).
    #[error("a field has the index 0")]
    IndexZero,
    /// An index is beyond the static and the dynamic table (RFC 7541 section 2.3.3).
    #[error("index {index} is beyond the tables")]
    IndexOutOfRange {
        /// The index.
        index: usize,
    },
    /// A table size update exceeds SETTINGS_HEADER_TABLE_SIZE (RFC 7541 section 6.3).
    #[error("a dynamic table size update to {size} exceeds the limit of {limit}")]
    TableSizeAboveLimit {
        /// The size that the peer requested, in octets.
        size: usize,
        /// The maximum size, in octets.
        limit: usize,
    },
    /// More than two table size updates in a block (RFC 7541 section 4.2).
    #[error("more than two dynamic table size updates")]
    TooManyTableSizeUpdates,
    /// A table size update after a field (RFC 7541 section 4.2).
    #[error("a dynamic table size update after a field")]
    TableSizeUpdateAfterField,
}
