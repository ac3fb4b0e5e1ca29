//! Errors about certificates, keys and names report the problem and the line.

use grpc_ipc::tls::{ClientTls, Identity, TlsError, Trust};

use crate::certificates::{Authority, Certified};

fn wrong(chain: &str, key: &str) -> String {
    Identity::from_pem(chain, key).unwrap_err().to_string()
}

#[test]
fn pem_that_has_nothing_of_what_is_needed() {
    let Certified { certificate, key } = Authority::new().certify("localhost");
    let cases = [
        (
            wrong("", &key),
            "the certificate chain: found no CERTIFICATE; it is not PEM, because no line begins with -----BEGIN",
        ),
        (wrong(&key, &key), "the certificate chain: found no CERTIFICATE; it has PRIVATE KEY (line 1)"),
        (
            wrong(&certificate, &format!("# mine\n{certificate}")),
            "the private key: found no PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY; it has CERTIFICATE (line 2)",
        ),
        (
            wrong(&certificate, &key.replace("PRIVATE", "ENCRYPTED PRIVATE")),
            "the private key: found no PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY; it has ENCRYPTED PRIVATE KEY \
             (line 1); `openssl pkey` decrypts it",
        ),
    ];
    for (error, expected) in cases {
        assert_eq!(error, expected);
    }
}

#[test]
fn pem_that_cannot_be_read() {
    let Certified { certificate, key } = Authority::new().certify("localhost");
    let lines = certificate.lines().count();
    let end = "-----END CERTIFICATE-----";
    let cut = certificate.replace(end, "");
    let (first, rest) = certificate.split_once("\n").unwrap();
    let noise = format!("{first}\n!{rest}");
    let empty = format!("{first}\nAAAA\n{end}\n");
    let two = |second: &str| wrong(&format!("{certificate}{second}"), &key);
    let at = |line: usize, problem: &str| format!("the certificate chain, line {line}: {problem}");
    assert_eq!(two(&cut), at(lines + 1, "CERTIFICATE has no line -----END CERTIFICATE-----"));
    assert_eq!(
        wrong(&format!("{cut}{certificate}"), &key),
        at(1, "CERTIFICATE has no line -----END CERTIFICATE-----")
    );
    assert_eq!(two(&noise), at(lines + 1, "CERTIFICATE is not base64"));
    assert_eq!(
        two(&certificate.replacen("-----\n", "----\n", 1)),
        at(lines + 1, "the line does not end with five dashes")
    );
    let error = two(&empty);
    let expected = at(lines + 1, "CERTIFICATE is not an X.509 certificate of version 3: ");
    assert!(error.starts_with(&expected), "{error}");

    let error =
        wrong(&certificate, &format!("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n{key}"));
    assert!(error.starts_with("the private key, line 1: the key cannot be used: "), "{error}");
    assert!(
        error
            .contains("; use RSA with 2048 to 4096 bits, ECDSA with P-256 or P-384, or Ed25519, or install "),
        "{error}"
    );
    let error = wrong(&certificate, &key.replacen('\n', "\nProc-Type: 4,ENCRYPTED\n\n", 1));
    assert_eq!(
        error,
        "the private key, line 1: PRIVATE KEY is not base64, because it is encrypted; `openssl pkey` decrypts it"
    );
}

#[test]
fn a_key_of_another_certificate() {
    let authority = Authority::new();
    let (one, other) = (authority.certify("localhost"), authority.certify("localhost"));
    let error = Identity::from_pem(&one.certificate, &other.key).unwrap_err();
    assert_eq!(error, TlsError::KeyMismatch);
    // The authority's certificate is not this end's own, even if the chain leads there.
    let reversed = format!("{}{}", authority.pem(), one.certificate);
    assert_eq!(Identity::from_pem(reversed, &one.key).unwrap_err(), TlsError::KeyMismatch);
}

#[test]
fn one_text_may_hold_everything() {
    let authority = Authority::new();
    let Certified { certificate, key } = authority.certify("localhost");
    let windows = |text: &str| text.replace('\n', "\r\n");
    for text in [format!("{certificate}{key}"), format!("notes\n{key}\n{certificate}")] {
        let all = Identity::from_pem(&text, &text).unwrap();
        assert_eq!(all.fingerprint(), Identity::from_pem(&certificate, &key).unwrap().fingerprint());
        let all = Identity::from_pem(windows(&text), windows(&text)).unwrap();
        assert_eq!(all.fingerprint(), Identity::from_pem(&certificate, &key).unwrap().fingerprint());
    }
}

#[test]
fn authorities_that_are_none() {
    let error = Trust::authorities("").unwrap_err().to_string();
    assert!(error.starts_with("the authorities: found no CERTIFICATE; "), "{error}");
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let text = format!("{}{nonsense}", Authority::new().pem());
    let error = Trust::authorities(&text).unwrap_err().to_string();
    let line = text.lines().count() - 2;
    let expected = format!("the authorities, line {line}: CERTIFICATE cannot be used as an authority: ");
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn a_name_that_is_none() {
    let tls = ClientTls::new(Trust::fingerprints([]));
    let error = tls.server_name("a b").unwrap_err();
    assert_eq!(
        error.to_string(),
        r#""a b" is not a server name; give a DNS name or an IP address from the server's certificate"#
    );
    assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::InvalidInput);
}

/// The files are from `openssl`. The other tests use PKCS#8.
#[test]
fn keys_in_every_format() {
    for (certificate, key) in
        [(include_str!("rsa.pem"), include_str!("rsa.key")), (include_str!("ec.pem"), include_str!("ec.key"))]
    {
        Identity::from_pem(certificate, key).unwrap();
    }
}

/// ring does not support P-521. A provider that does can be installed, as in the tests of `tls_provider`.
#[test]
fn a_key_that_needs_another_provider() {
    let error = wrong(include_str!("../tls_provider/plugin.pem"), include_str!("../tls_provider/plugin.key"));
    assert!(error.starts_with("the private key, line 1: the key cannot be used: "), "{error}");
    assert!(error.ends_with("of rustls; aws-lc-rs accepts P-521)"), "{error}");
}

/// The file is the output of `openssl x509 -noout -fingerprint -sha256 -in ec.pem`.
#[test]
fn the_fingerprint_is_openssls() {
    let identity = Identity::from_pem(include_str!("ec.pem"), include_str!("ec.key")).unwrap();
    assert_eq!(Ok(identity.fingerprint()), include_str!("ec.fingerprint").parse());
}
