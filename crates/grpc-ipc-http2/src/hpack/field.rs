//! Fields, and HTTP/2's requirements for their names and values.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};

/// One field of a header section. It is typed once when it is decoded, so an indexed field costs only a clone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Field {
    /// `:authority`.
    Authority(Bytes),
    /// `:method`.
    Method(Method),
    /// `:scheme`.
    Scheme(Bytes),
    /// `:path`.
    Path(Bytes),
    /// `:status`.
    Status(StatusCode),
    /// A header or a trailer.
    Header(HeaderName, HeaderValue),
    /// A field that HPACK can encode but HTTP/2 does not allow. It makes the message malformed (RFC 9113 section
    /// 8.1.1), not the block.
    Malformed {
        /// The name as received.
        name: Bytes,
        /// What is wrong.
        reason: &'static str,
    },
}

impl Field {
    /// The field with this name and value.
    #[cfg(test)]
    pub(crate) fn new(name: impl AsRef<[u8]>, value: Bytes) -> Self {
        Name::new(name.as_ref()).with_value(value)
    }

    /// The name, with the colon of a pseudo-header field.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn name(&self) -> &[u8] {
        match self {
            Self::Authority(_) => AUTHORITY,
            Self::Method(_) => METHOD,
            Self::Scheme(_) => SCHEME,
            Self::Path(_) => PATH,
            Self::Status(_) => STATUS,
            Self::Header(name, _) => name.as_str().as_bytes(),
            Self::Malformed { name, .. } => name,
        }
    }

    /// The value, unless it is malformed.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Authority(value) | Self::Scheme(value) | Self::Path(value) => Some(value),
            Self::Method(method) => Some(method.as_str().as_bytes()),
            Self::Status(status) => Some(status.as_str().as_bytes()),
            Self::Header(_, value) => Some(value.as_bytes()),
            Self::Malformed { .. } => None,
        }
    }

    /// Marks the value as received in a never-indexed literal (RFC 7541 section 6.2.3).
    pub(super) fn set_sensitive(&mut self) {
        if let Self::Header(_, value) = self {
            value.set_sensitive(true);
        }
    }
}

/// The name of a field, also typed once. A name from the tables gets a new value at the cost of a clone, even if the
/// name or its old value is malformed.
#[derive(Clone, Debug)]
pub(super) enum Name {
    Authority,
    Method,
    Scheme,
    Path,
    Status,
    Header(HeaderName),
    Malformed { name: Bytes, reason: &'static str },
}

impl Name {
    pub(super) fn new(name: &[u8]) -> Self {
        let reason = match name {
            AUTHORITY => return Self::Authority,
            METHOD => return Self::Method,
            SCHEME => return Self::Scheme,
            PATH => return Self::Path,
            STATUS => return Self::Status,
            [] => "an empty name",
            [b':', ..] => "an unknown pseudo-header field",
            // `HeaderName` would convert it to lowercase.
            _ if name.iter().any(u8::is_ascii_uppercase) => "an uppercase letter in a name",
            _ if !name.iter().all(is_token) => "an octet in a name that is not allowed in a token",
            _ => match HeaderName::from_bytes(name) {
                Ok(name) => return Self::Header(name),
                Err(_) => "a name that is too long",
            },
        };
        Self::Malformed { name: Bytes::copy_from_slice(name), reason }
    }

    /// The field with this name and value.
    pub(super) fn with_value(&self, value: Bytes) -> Field {
        self.typed(value).unwrap_or_else(|reason| Field::Malformed { name: self.to_bytes(), reason })
    }

    fn typed(&self, value: Bytes) -> Result<Field, &'static str> {
        if let Self::Malformed { reason, .. } = self {
            return Err(reason);
        }
        // Less strict than RFC 9113 section 8.2.1: gRPC allows spaces at the ends of a header's value, and its
        // implementations send a status message that ends with one unchanged.
        if !matches!(self, Self::Header(_)) && has_whitespace_around(&value) {
            return Err("whitespace around a value");
        }
        // Stricter than RFC 9113: RFC 9110 section 5.5 allows no control character except tab in a value.
        if value.iter().any(|&octet| octet.is_ascii_control() && octet != b'\t') {
            return Err("a control character in a value");
        }
        Ok(match self {
            Self::Authority => Field::Authority(value),
            Self::Method if value.len() > MAX_METHOD_LEN => return Err("a method that is too long"),
            Self::Method => Field::Method(Method::from_bytes(&value).map_err(|_| "an invalid method")?),
            Self::Scheme => Field::Scheme(value),
            Self::Path => Field::Path(value),
            Self::Status => Field::Status(StatusCode::from_bytes(&value).map_err(|_| "an invalid status")?),
            Self::Header(name) => {
                let value = HeaderValue::from_maybe_shared(value).map_err(|_| "an invalid value")?;
                Field::Header(name.clone(), value)
            }
            Self::Malformed { reason, .. } => return Err(reason),
        })
    }

    fn to_bytes(&self) -> Bytes {
        match self {
            Self::Authority => Bytes::from_static(AUTHORITY),
            Self::Method => Bytes::from_static(METHOD),
            Self::Scheme => Bytes::from_static(SCHEME),
            Self::Path => Bytes::from_static(PATH),
            Self::Status => Bytes::from_static(STATUS),
            Self::Header(name) => Bytes::from_owner(name.clone()),
            Self::Malformed { name, .. } => name.clone(),
        }
    }
}

const AUTHORITY: &[u8] = b":authority";
const METHOD: &[u8] = b":method";
const SCHEME: &[u8] = b":scheme";
const PATH: &[u8] = b":path";
const STATUS: &[u8] = b":status";

/// The maximum length of a method, in octets; the longest registered one has 17. Cloning a `Method` copies it if it
/// exceeds 15 octets, and a single octet of a block can require a clone.
const MAX_METHOD_LEN: usize = 32;

/// Whether a name may contain this octet (RFC 9110 section 5.6.2).
fn is_token(octet: &u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(octet)
}

fn has_whitespace_around(value: &[u8]) -> bool {
    let is_whitespace = |octet: &u8| matches!(octet, b' ' | b'\t');
    value.first().is_some_and(is_whitespace) || value.last().is_some_and(is_whitespace)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::header::{CONTENT_TYPE, TE};
    use http::{HeaderName, HeaderValue, Method, StatusCode};

    use super::{Field, Name};

    fn field(name: &[u8], value: &[u8]) -> Field {
        Field::new(name, Bytes::copy_from_slice(value))
    }

    fn is_malformed(name: &[u8], value: &[u8]) -> bool {
        match field(name, value) {
            Field::Malformed { name: reported, .. } => {
                assert_eq!(reported, name);
                true
            }
            _ => false,
        }
    }

    #[test]
    fn fields_are_typed() {
        assert_eq!(field(b":authority", b"localhost"), Field::Authority("localhost".into()));
        assert_eq!(field(b":method", b"POST"), Field::Method(Method::POST));
        assert_eq!(field(b":scheme", b"http"), Field::Scheme("http".into()));
        assert_eq!(field(b":path", b"/a.B/C"), Field::Path("/a.B/C".into()));
        assert_eq!(field(b":status", b"200"), Field::Status(StatusCode::OK));
        assert_eq!(field(b"te", b"trailers"), Field::Header(TE, HeaderValue::from_static("trailers")));
        assert_eq!(
            field(b"grpc-status", b"0"),
            Field::Header(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))
        );
    }

    #[test]
    fn fields_know_their_name() {
        for name in
            [":authority", ":method", ":scheme", ":path", ":status", "te", "x-name", ":other", "X-Name"]
        {
            assert_eq!(field(name.as_bytes(), b"200").name(), name.as_bytes());
        }
    }

    #[test]
    fn rfc_9113_section_8_2_1_an_uppercase_letter_in_a_name_is_malformed() {
        assert!(is_malformed(b"Content-Type", b"text/plain"));
        assert!(is_malformed(b"x-namE", b""));
    }

    #[test]
    fn rfc_9113_section_8_2_1_a_name_of_other_than_token_octets_is_malformed() {
        assert!(is_malformed(b"", b"value"));
        for octet in 0..=u8::MAX {
            let allowed = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz".contains(&octet);
            assert_eq!(is_malformed(&[b'x', octet], b""), !allowed, "octet {octet:#x}");
        }
    }

    #[test]
    fn rfc_9113_section_8_2_1_a_control_character_in_a_value_is_malformed() {
        for name in [&b"x-name"[..], b":path", b":authority", b":scheme"] {
            for octet in 0..=u8::MAX {
                let forbidden = (octet < 0x20 && octet != b'\t') || octet == 0x7f;
                assert_eq!(is_malformed(name, &[b'a', octet, b'z']), forbidden, "octet {octet:#x}");
            }
        }
    }

    #[test]
    fn whitespace_around_a_value_is_malformed_in_pseudo_header_fields_only() {
        for value in [&b" a"[..], b"a ", b"\ta", b"a\t", b" "] {
            assert!(!is_malformed(b"x-name", value));
            assert!(is_malformed(b":path", value));
        }
        assert!(!is_malformed(b"x-name", b"a \tb"));
        assert!(!is_malformed(b"x-name", b""));
    }

    #[test]
    fn rfc_9113_section_8_3_an_unknown_pseudo_header_field_is_malformed() {
        for name in [&b":"[..], b":protocol", b":Path", b":paths"] {
            assert!(is_malformed(name, b"value"));
        }
    }

    #[test]
    fn an_invalid_method_or_status_is_malformed() {
        assert!(is_malformed(b":method", b""));
        assert!(is_malformed(b":method", b"A B"));
        assert!(is_malformed(b":method", &[b'A'; 33]));
        assert!(!is_malformed(b":method", &[b'A'; 32]));
        for status in [&b""[..], b"20", b"099", b"2000", b"abc"] {
            assert!(is_malformed(b":status", status));
        }
    }

    #[test]
    fn a_name_that_had_a_malformed_value_takes_a_valid_one() {
        let name = Name::new(b"content-type");
        assert!(matches!(name.with_value("\0".into()), Field::Malformed { .. }));
        assert_eq!(
            name.with_value("a/b".into()),
            Field::Header(CONTENT_TYPE, HeaderValue::from_static("a/b"))
        );
    }

    #[test]
    fn a_name_longer_than_header_names_may_be_is_malformed() {
        assert!(is_malformed(&[b'x'; 1 << 16], b""));
    }
}
