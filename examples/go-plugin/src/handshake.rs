//! The line that a plug-in prints when it listens: `1|VERSION|unix|PATH|grpc|CERTIFICATE`.

use anyhow::{Context as _, bail};

/// A variable that each host sets for its plug-ins, and its value. Without it, a user has started the plug-in.
pub const COOKIE: (&str, &str) = ("GREETING_PLUGIN", "9f2a6c0e");
/// The version of the services in `greeting.proto`.
pub const VERSION: &str = "1";
/// The versions that the host supports, separated by commas.
pub const VERSIONS: &str = "PLUGIN_PROTOCOL_VERSIONS";
/// The host's certificate, if it wants TLS.
pub const CLIENT_CERTIFICATE: &str = "PLUGIN_CLIENT_CERT";
/// Where plug-ins create their sockets. go-plugin sets it since version 1.6.
pub const SOCKET_DIRECTORY: &str = "PLUGIN_UNIX_SOCKET_DIR";

/// The version of go-plugin's protocol.
const CORE: &str = "1";

/// What a plug-in tells its host.
#[derive(Debug, PartialEq)]
pub struct Handshake {
    /// The path of its socket.
    pub path: String,
    /// Its certificate, as PEM.
    pub certificate: Option<String>,
}

impl Handshake {
    /// The line without its end.
    pub fn to_line(&self) -> String {
        let certificate = self.certificate.as_deref().map(to_field).unwrap_or_default();
        format!("{CORE}|{VERSION}|unix|{}|grpc|{certificate}", self.path)
    }

    /// Reads the line. Newer versions of go-plugin may append fields.
    pub fn parse(line: &str) -> anyhow::Result<Self> {
        let fields: Vec<_> = line.trim().split('|').collect();
        let [core, version, network, path, protocol, rest @ ..] = &fields[..] else {
            bail!("not a line of go-plugin: {line:?}");
        };
        if (*core, *version, *network, *protocol) != (CORE, VERSION, "unix", "grpc") {
            bail!(
                "this host needs version {VERSION} over gRPC on a Unix socket; the plug-in printed {line:?}"
            );
        }
        let certificate = rest.first().filter(|field| !field.is_empty()).map(|field| to_pem(field));
        Ok(Self { path: (*path).to_owned(), certificate })
    }
}

/// The certificate in one line. Its base64 has no padding.
fn to_field(pem: &str) -> String {
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64.trim_end_matches('=').to_owned()
}

fn to_pem(field: &str) -> String {
    let padding = "=".repeat((4 - field.len() % 4) % 4);
    format!("-----BEGIN CERTIFICATE-----\n{field}{padding}\n-----END CERTIFICATE-----\n")
}

/// Checks that a host has started this plug-in, and that it knows its version.
pub fn check_host() -> anyhow::Result<()> {
    let (name, value) = COOKIE;
    if std::env::var(name).ok().as_deref() != Some(value) {
        bail!("this is a plug-in; start a program that uses it");
    }
    let versions = std::env::var(VERSIONS).with_context(|| format!("{VERSIONS} is not set"))?;
    if !versions.split(',').any(|version| version == VERSION) {
        bail!("the host needs version {versions} of this plug-in, which is version {VERSION}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        for base64 in ["QUJD", "QUI=", "QQ=="] {
            let certificate = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
            let written = Handshake { path: "/tmp/a|b".replace('|', "-"), certificate: Some(certificate) };
            assert_eq!(Handshake::parse(&written.to_line()).unwrap(), written);
        }
        let plain = Handshake { path: "/tmp/a".to_owned(), certificate: None };
        assert_eq!(plain.to_line(), "1|1|unix|/tmp/a|grpc|");
        // From a newer and from an older plug-in.
        for line in ["1|1|unix|/tmp/a|grpc||true\n", "1|1|unix|/tmp/a|grpc\n"] {
            assert_eq!(Handshake::parse(line).unwrap(), plain);
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in
            ["", "hello", "1|1|unix|/tmp/a", "2|1|unix|/a|grpc|", "1|2|unix|/a|grpc|", "1|1|tcp|:1|grpc|"]
        {
            Handshake::parse(line).unwrap_err();
        }
    }
}
