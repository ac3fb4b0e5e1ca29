//! HPACK ([RFC 7541](https://www.rfc-editor.org/rfc/rfc7541)).
