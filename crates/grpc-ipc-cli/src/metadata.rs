//! `-H NAME: VALUE`.

use clap::Args;
use grpc_ipc::tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue};
use grpc_ipc::tonic::metadata::{KeyAndValueRef, MetadataMap};

use crate::failure::Failure;
use crate::output::escaped;

/// The library sets these itself, or HTTP/2 forbids them.
const HTTPS_OWN: [&str; 8] = [
    "te",
    "content-type",
    "content-length",
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// Options for the metadata of requests.
#[derive(Args)]
#[command(next_help_heading = "Metadata")]
pub(crate) struct MetadataArguments {
    /// Sends metadata with the call, and with the calls that ask for the schema. The value of a name that ends with
    /// `-bin` is in base64
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Sends metadata with the call only
    #[arg(long = "rpc-header", value_name = "NAME: VALUE")]
    rpc_headers: Vec<String>,
    /// Sends metadata only with the calls that ask for the schema
    #[arg(long = "reflect-header", value_name = "NAME: VALUE")]
    reflect_headers: Vec<String>,
    /// Replaces ${NAME} in metadata by the environment variable NAME, so that a secret is not on the command line, which
    /// other users can see
    #[arg(long)]
    expand_headers: bool,
}

impl MetadataArguments {
    /// The metadata of the call.
    pub(crate) fn of_call(&self) -> Result<MetadataMap, Failure> {
        self.parse(&self.rpc_headers)
    }

    /// The metadata of the calls for the schema.
    pub(crate) fn of_reflection(&self) -> Result<MetadataMap, Failure> {
        self.parse(&self.reflect_headers)
    }

    fn parse(&self, more: &[String]) -> Result<MetadataMap, Failure> {
        let mut headers = HeaderMap::new();
        for given in self.headers.iter().chain(more) {
            let wrong = |why: &str| {
                Failure::wrong_input(format!("the metadata {given:?} is not valid: {why}"))
                    .hint("Write it as 'NAME: VALUE', such as -H 'authorization: Bearer abc'")
            };
            let (name, value) = given.split_once(':').ok_or_else(|| wrong("there is no colon"))?;
            let name = HeaderName::from_bytes(name.trim().to_lowercase().as_bytes())
                .map_err(|_| wrong("the name may have letters, digits, -, _ and . only"))?;
            if name.as_str().starts_with("grpc-") {
                return Err(wrong("names that begin with grpc- are gRPC's own"));
            }
            if HTTPS_OWN.contains(&name.as_str()) {
                return Err(wrong("this name is HTTP/2's own"));
            }
            let value = match self.expand_headers {
                true => {
                    expand(value.trim(), |name| std::env::var(name).ok()).map_err(|error| wrong(&error))?
                }
                false => value.trim().to_owned(),
            };
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| wrong("the value may have printable ASCII characters only; see -bin"))?;
            value.set_sensitive(name.as_str() == "authorization");
            headers.append(name, value);
        }
        let metadata = MetadataMap::from_headers(headers);
        for entry in metadata.iter() {
            if let KeyAndValueRef::Binary(name, value) = entry
                && value.to_bytes().is_err()
            {
                return Err(Failure::wrong_input(format!("the metadata {name} is not valid base64")));
            }
        }
        Ok(metadata)
    }
}

/// `text` with each `${NAME}` replaced.
fn expand(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut parts = text.split("${");
    let mut expanded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').ok_or("a ${ has no }")?;
        let value = variable(name).ok_or_else(|| format!("the environment has no variable {name}"))?;
        expanded.push_str(&value);
        expanded.push_str(rest);
    }
    Ok(expanded)
}

/// Prints metadata on standard error, a line each, below a title.
pub(crate) fn show(title: &str, metadata: &MetadataMap) {
    eprintln!("{title}:{}", if metadata.is_empty() { " none" } else { "" });
    for entry in metadata.iter() {
        match entry {
            KeyAndValueRef::Ascii(name, value) => {
                eprintln!("  {name}: {}", escaped(&String::from_utf8_lossy(value.as_encoded_bytes())));
            }
            KeyAndValueRef::Binary(name, value) => {
                eprintln!(
                    "  {name}: {}",
                    escaped(&padded(&String::from_utf8_lossy(value.as_encoded_bytes())))
                );
            }
        }
    }
}

/// Base64 with padding, which gRPC leaves out and other programs need.
fn padded(base64: &str) -> String {
    let parts = base64.split(',').map(|part| {
        let part = part.trim().trim_end_matches('=');
        format!("{part}{}", "=".repeat((4 - part.len() % 4) % 4))
    });
    parts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        for (given, shown) in [
            ("", ""),
            ("AQ", "AQ=="),
            ("AQI", "AQI="),
            ("AQID", "AQID"),
            ("AQ==", "AQ=="),
            ("AQI,AQ", "AQI=,AQ=="),
        ] {
            assert_eq!(padded(given), shown);
        }
    }

    #[test]
    fn variables_are_expanded() {
        let variable = |name: &str| (name == "TOKEN").then(|| "secret".to_owned());
        assert_eq!(expand("Bearer ${TOKEN}.", variable), Ok("Bearer secret.".to_owned()));
        assert_eq!(expand("$5 {}", variable), Ok("$5 {}".to_owned()));
        assert!(expand("${OTHER}", variable).unwrap_err().contains("OTHER"));
        assert!(expand("${TOKEN", variable).is_err());
    }
}
