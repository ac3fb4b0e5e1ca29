//! HPACK ([RFC 7541](https://www.rfc-editor.org/rfc/rfc7541)): how HTTP/2 writes header fields.
//!
//! Both directions keep a [dynamic table](dynamic_table) that is a function of all blocks so far, so every block
//! has to be decoded, in order, also that of a stream nobody wants any more; and after a [`DecodeError`] the
//! connection is lost.

mod decoder;
mod dynamic_table;
mod encoder;
mod error;
mod field;
mod huffman;
mod huffman_code;
mod integer;
mod static_table;
#[cfg(test)]
mod tests;

pub(crate) use decoder::Decoder;
pub(crate) use encoder::{Encoder, Indexing};
pub(crate) use error::DecodeError;
pub(crate) use field::Field;

/// The size of a dynamic table until SETTINGS_HEADER_TABLE_SIZE says otherwise (RFC 9113 section 6.5.2), in octets
/// as RFC 7541 section 4.1 counts them.
const DEFAULT_TABLE_SIZE: usize = 4096;

/// What an entry counts beyond its name and its value (RFC 7541 section 4.1).
const ENTRY_OVERHEAD: usize = 32;

/// The size of an entry: RFC 7541 section 4.1 for the dynamic table, RFC 9113 section 6.5.2 for a header list.
fn entry_size(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + ENTRY_OVERHEAD
}
