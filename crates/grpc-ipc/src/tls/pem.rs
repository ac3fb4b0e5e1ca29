//! The sections of PEM text ([RFC 7468](https://www.rfc-editor.org/rfc/rfc7468)), each with its first line, for error
//! messages.

use tokio_rustls::rustls::pki_types::pem::{Error, PemObject, SectionKind};

use super::TlsError;

/// A section that could be decoded.
pub(super) struct Section {
    pub(super) line: usize,
    pub(super) kind: SectionKind,
    pub(super) der: Vec<u8>,
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

/// The sections of `pem` whose label is among `wanted`. `what` is the role of the text.
///
/// # Errors
/// If one of them cannot be decoded, or if there are none.
pub(super) fn sections(
    what: &'static str,
    pem: &[u8],
    wanted: &'static [&'static str],
    expected: &'static str,
) -> Result<Vec<Section>, TlsError> {
    let mut sections = Vec::new();
    let mut others = Vec::new();
    for (line, text) in split(pem) {
        let label = label(text);
        if !wanted.contains(&&*label) {
            others.push(format!("{label} (line {line})"));
            continue;
        }
        match <(SectionKind, Vec<u8>)>::from_pem_slice(text) {
            Ok((kind, der)) => sections.push(Section { line, kind, der }),
            Err(error) => return Err(TlsError::Invalid { what, line, problem: problem(&label, &error) }),
        }
    }
    if sections.is_empty() {
        let found = match others.is_empty() {
            true => "it is not PEM, because no line begins with -----BEGIN".to_owned(),
            false => format!("it has {}", others.join(", ")),
        };
        return Err(TlsError::Missing { what, expected, found });
    }
    Ok(sections)
}

/// Each section with the number of its first line: from one `-----BEGIN` to the next.
fn split(pem: &[u8]) -> Vec<(usize, &[u8])> {
    let mut sections = Vec::new();
    let mut from = None;
    let mut at = 0;
    for (number, line) in (1..).zip(pem.split_inclusive(|byte| *byte == b'\n')) {
        if line.starts_with(BEGIN) {
            if let Some((line, from)) = from.replace((number, at)) {
                sections.push((line, &pem[from..at]));
            }
        } else if line.starts_with(END)
            && let Some((line, from)) = from.take()
        {
            let end = at + pem[at..].iter().take_while(|byte| **byte != b'\n').count();
            sections.push((line, &pem[from..end]));
        }
        at += line.len();
    }
    if let Some((line, from)) = from {
        sections.push((line, &pem[from..]));
    }
    sections
}

/// The label of a section, such as `CERTIFICATE`.
fn label(section: &[u8]) -> String {
    let line = section.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(&line[BEGIN.len()..]);
    line.trim_end().trim_end_matches('-').to_owned()
}

fn problem(label: &str, error: &Error) -> String {
    match error {
        Error::MissingSectionEnd { .. } => format!("{label} has no line -----END {label}-----"),
        Error::IllegalSectionStart { .. } => "the line does not end with five dashes".to_owned(),
        Error::Base64Decode(_) => format!("{label} is not base64"),
        other => format!("{label} cannot be read: {other}"),
    }
}
