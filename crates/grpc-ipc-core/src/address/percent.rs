//! Percent-encoding of socket paths and names (RFC 3986, section 2.1).

use std::ffi::{OsStr, OsString};

use clap_lex::OsStrExt as _;

use super::AddressError;

/// Decodes `text`, a part of `address`. Escaped bytes must be UTF-8; all others are kept.
pub(super) fn decode(address: &OsStr, text: &OsStr) -> Result<OsString, AddressError> {
    let mut parts = text.split("%");
    let mut decoded = OsString::from(parts.next().unwrap_or_default());
    // Escaped bytes that the next part may continue.
    let mut bytes = Vec::new();
    for part in parts {
        let lossy = || address.to_string_lossy().into_owned();
        let (byte, rest) = escape(part).ok_or_else(|| AddressError::Percent { address: lossy() })?;
        bytes.push(byte);
        if !rest.is_empty() || std::str::from_utf8(&bytes).is_ok() {
            let character = String::from_utf8(std::mem::take(&mut bytes));
            decoded.push(character.map_err(|_| AddressError::NotUnicode { address: lossy() })?);
            decoded.push(rest);
        }
    }
    if bytes.is_empty() {
        Ok(decoded)
    } else {
        Err(AddressError::NotUnicode { address: address.to_string_lossy().into_owned() })
    }
}

/// The byte of the two digits at the start of `text`, and the rest after them.
fn escape(text: &OsStr) -> Option<(u8, &OsStr)> {
    let digits: String = text.to_string_lossy().chars().take(2).collect();
    let is_escape = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = is_escape.then(|| u8::from_str_radix(&digits, 16).ok())??;
    Some((byte, text.strip_prefix(&digits)?))
}

/// Escapes `%`, `?` and `#` in `text`. They have a meaning in a URI, and the clients of C-core and Go would not read
/// them as part of the path.
pub(super) fn encode(text: &OsStr) -> OsString {
    let mut encoded = text.to_owned();
    for (character, escape) in [("%", "%25"), ("?", "%3F"), ("#", "%23")] {
        if encoded.contains(character) {
            let parts: Vec<_> = encoded.split(character).collect();
            encoded = parts.join(OsStr::new(escape));
        }
    }
    encoded
}
