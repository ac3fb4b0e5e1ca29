//! Repairs the fields that a peer has sent, so that one invalid field does not make tonic reject the others.

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

/// The field with the status code.
pub(crate) const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
const DETAILS: &str = "grpc-status-details-bin";

/// How many values may be joined in one field. More of them would cost memory that no limit on metadata covers, so they
/// stay joined.
const MAX_JOINED: usize = 64;

/// Repairs the headers or trailers of a response, and returns whether they contain a status:
/// - Of several `grpc-status`, the last one counts, as in other implementations. A value that is not a code becomes
///   [`Unknown`](Code::Unknown), with the value in the message.
/// - In a `grpc-message`, bytes that are not UTF-8 are replaced.
/// - A `grpc-status-details-bin` that is not Base64 is dropped.
/// - Binary fields are [separated](separate).
pub(crate) fn mend(fields: &mut HeaderMap) -> bool {
    let (mut has_status, mut is_wrong) = (false, false);
    // Calls have few fields, so comparing each costs less than hashing the names.
    for (name, value) in &*fields {
        is_wrong |= match name.as_str() {
            STATUS => std::mem::replace(&mut has_status, true) || !is_code(value),
            MESSAGE => !is_text(value.as_bytes()),
            DETAILS => true,
            name => name.ends_with("-bin") && value.as_bytes().contains(&b','),
        };
    }
    if is_wrong {
        separate(fields);
        mend_status(fields);
    }
    has_status
}

/// Sets the status of a call.
pub(crate) fn set_status(fields: &mut HeaderMap, code: Code, message: &str) {
    fields.remove(STATUS);
    fields.remove(MESSAGE);
    // It cannot fail, because messages are percent-encoded.
    _ = Status::new(code, message).add_header(fields);
}

fn mend_status(fields: &mut HeaderMap) {
    let details = fields.remove(DETAILS).map(|details| HeaderMap::from_iter([(DETAILS_NAME, details)]));
    let details = details.map(MetadataMap::from_headers);
    let is_binary =
        |details: &MetadataMap| details.get_bin(DETAILS).is_some_and(|value| value.to_bytes().is_ok());
    if let Some(details) = details.filter(is_binary) {
        fields.extend(details.into_headers());
    }
    let Some(status) = fields.get_all(STATUS).iter().next_back().cloned() else { return };
    let sent = String::from_utf8_lossy(status.as_bytes());
    let number = sent.bytes().all(|byte| byte.is_ascii_digit()).then(|| sent.parse::<i32>().ok()).flatten();
    let code = number.filter(|number| (0..=16).contains(number)).map(Code::from_i32);
    let message = fields.get(MESSAGE).map(|message| text(message.as_bytes())).unwrap_or_default();
    match code {
        Some(code) => set_status(fields, code, &message),
        None => {
            let message = format!("the server sent the status {sent:?}, which is not a gRPC code: {message}");
            set_status(fields, Code::Unknown, message.trim_end_matches(": "));
        }
    }
}

const DETAILS_NAME: HeaderName = HeaderName::from_static(DETAILS);

/// Whether the value is a code in gRPC's form, without leading zeros.
fn is_code(value: &HeaderValue) -> bool {
    matches!(value.as_bytes(), [b'0'..=b'9'] | [b'1', b'0'..=b'6'])
}

/// Whether a percent-encoded text is UTF-8.
fn is_text(encoded: &[u8]) -> bool {
    let is_plain = encoded.is_ascii() && !encoded.contains(&b'%');
    is_plain || std::str::from_utf8(&decode(encoded)).is_ok()
}

fn text(encoded: &[u8]) -> String {
    String::from_utf8_lossy(&decode(encoded)).into_owned()
}

/// Decodes percent-encoded text. An invalid escape stands for itself.
fn decode(mut encoded: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = Vec::with_capacity(encoded.len());
    while let Some((first, rest)) = encoded.split_first() {
        let escaped = match rest {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => bytes.push((high << 4 | low) as u8),
            None => bytes.push(*first),
        }
        encoded = &rest[if escaped.is_some() { 2 } else { 0 }..];
    }
    bytes
}

/// Separates the values that are joined with commas in a binary field: "Implementations must split Binary-Headers on ','
/// before decoding the Base64-encoded values".
pub(crate) fn separate(fields: &mut HeaderMap) {
    let is_joined = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().ends_with("-bin")
            && (1..MAX_JOINED).contains(&value.as_bytes().iter().filter(|byte| **byte == b',').count())
    };
    if !fields.iter().any(is_joined) {
        return;
    }
    let mut separated = HeaderMap::new();
    for (name, value) in &*fields {
        if !is_joined((name, value)) {
            // It has no more names than the original.
            _ = separated.try_append(name, value.clone());
            continue;
        }
        for part in value.as_bytes().split(|byte| *byte == b',') {
            if let Ok(mut part) = HeaderValue::from_bytes(part.trim_ascii()) {
                part.set_sensitive(value.is_sensitive());
                _ = separated.try_append(name, part);
            }
        }
    }
    *fields = separated;
}
