use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};

use super::TlsError;

/// The SHA-256 fingerprint of a certificate in DER, which identifies exactly that certificate.
///
/// It parses the output of `openssl x509 -noout -fingerprint -sha256` (`sha256 Fingerprint=AB:CD:…`), the part after
/// the `=`, and plain hexadecimal. It is shown as `AB:CD:…`.
///
/// ```
/// use grpc_ipc::tls::Fingerprint;
///
/// let hexadecimal = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// let fingerprint: Fingerprint = hexadecimal.parse()?;
/// assert!(fingerprint.to_string().starts_with("E3:B0:C4:42:"));
/// assert_eq!(format!("sha256 Fingerprint={fingerprint}").parse(), Ok(fingerprint));
/// assert_eq!(Fingerprint::of(b""), fingerprint);
/// # Ok::<(), grpc_ipc::tls::TlsError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; LENGTH]);

const LENGTH: usize = 32;

impl Fingerprint {
    /// The fingerprint of a certificate in DER, such as one from [`Peer::certificates`](crate::Peer::certificates).
    pub fn of(certificate: &[u8]) -> Self {
        let mut bytes = [0; LENGTH];
        bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl From<[u8; LENGTH]> for Fingerprint {
    fn from(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Fingerprint {
    type Err = TlsError;

    /// # Errors
    /// [`TlsError::Fingerprint`] unless the text is 32 bytes in hexadecimal, with colons between all bytes or none.
    fn from_str(text: &str) -> Result<Self, TlsError> {
        let wrong = |problem: String| TlsError::Fingerprint { text: text.to_owned(), problem };
        let (name, digits) = text.trim().rsplit_once('=').unwrap_or(("", text.trim()));
        if !name.is_empty() && !name.to_ascii_lowercase().starts_with("sha256") {
            return Err(wrong(format!(
                "it is of the kind {name}; run openssl x509 -fingerprint with -sha256"
            )));
        }
        let apart: Vec<&str> = digits.split(':').collect();
        if apart.len() > 1 && apart.iter().any(|byte| byte.len() != 2) {
            return Err(wrong("it does not have two hexadecimal digits between colons".to_owned()));
        }
        let digits = apart.concat();
        let nibbles: Option<Vec<u8>> = digits.chars().map(nibble).collect();
        let Some(nibbles) = nibbles else {
            return Err(wrong("it contains characters other than hexadecimal digits and colons".to_owned()));
        };
        if nibbles.len() != 2 * LENGTH {
            let hint = if nibbles.len() == 40 { ", as SHA-1 does" } else { "" };
            let found = nibbles.len();
            return Err(wrong(format!("it has {found} hexadecimal digits{hint}, instead of {}", 2 * LENGTH)));
        }
        let mut bytes = [0; LENGTH];
        for (byte, nibbles) in bytes.iter_mut().zip(nibbles.chunks(2)) {
            *byte = nibbles[0] << 4 | nibbles[1];
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: char) -> Option<u8> {
    digit.to_digit(16).and_then(|nibble| nibble.try_into().ok())
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            let colon = if i == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_fingerprint_is_told() {
        let colons = vec!["AB"; 32].join(":");
        let cases = [
            ("", "it has 0 hexadecimal digits, instead of 64"),
            (&"ab".repeat(20), "it has 40 hexadecimal digits, as SHA-1 does, instead of 64"),
            (&"ab".repeat(33), "it has 66 hexadecimal digits, instead of 64"),
            (&"xy".repeat(32), "it contains characters other than hexadecimal digits and colons"),
            (&"é".repeat(64), "it contains characters other than hexadecimal digits and colons"),
            (&colons[1..], "it does not have two hexadecimal digits between colons"),
            (&format!("{colons}:"), "it does not have two hexadecimal digits between colons"),
            (
                &format!("SHA1 Fingerprint={}", vec!["AB"; 20].join(":")),
                "it is of the kind SHA1 Fingerprint; run openssl x509 -fingerprint with -sha256",
            ),
        ];
        for (text, problem) in cases {
            let error = text.parse::<Fingerprint>().unwrap_err();
            assert_eq!(error.to_string(), format!("{text:?} is not a SHA-256 fingerprint: {problem}"));
        }
    }

    #[test]
    fn every_way_to_write_it_is_the_same() {
        let fingerprint = Fingerprint::from([0xAB; 32]);
        let colons = vec!["aB"; 32].join(":");
        for text in [&"ab".repeat(32), &"AB".repeat(32), &colons, &format!("SHA256 Fingerprint={colons}\n")] {
            assert_eq!(text.parse(), Ok(fingerprint), "{text}");
        }
    }
}
