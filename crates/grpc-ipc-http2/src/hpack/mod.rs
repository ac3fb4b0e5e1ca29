//! HPACK ([RFC 7541](https://www.rfc-editor.org/rfc/rfc7541)): header compression for HTTP/2.
//!
//! Both directions keep a [dynamic table](dynamic_table) that depends on all earlier blocks. So every block has to be
//! decoded in order, even that of an unwanted stream, and after a [`DecodeError`] the connection cannot continue.

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

/// The initial size of a dynamic table, before SETTINGS_HEADER_TABLE_SIZE changes it (RFC 9113 section 6.5.2), in
/// octets as RFC 7541 section 4.1 counts them.
const DEFAULT_TABLE_SIZE: usize = 4096;

/// The size of an entry beyond its name and value (RFC 7541 section 4.1).
const ENTRY_OVERHEAD: usize = 32;

/// The size of an entry: RFC 7541 section 4.1 for the dynamic table, RFC 9113 section 6.5.2 for a header list.
fn entry_size(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + ENTRY_OVERHEAD
}
