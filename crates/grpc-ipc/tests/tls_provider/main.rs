//! TLS with a provider of cryptography that the process has installed (aws-lc-rs), and with keys that ring does not
//! support: on the curve P-521, as go-plugin creates them. openssl created the files; `plugin.pem` has the same fields
//! as go-plugin's.

#![cfg(target_os = "linux")]

mod go_plugin;
#[path = "../util/mod.rs"]
mod util;

use std::sync::Once;

use grpc_ipc::memory::Network;
use grpc_ipc::tls::{ClientTls, Fingerprint, Identity, ServerTls, TlsError, Trust};
use grpc_ipc::{AccessPolicy, Channel, Server};
use grpc_ipc_conformance::run;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tonic::Status;
use util::{DRAIN, MyGreeter, Running, greet};

const AUTHORITY: &str = include_str!("authority.pem");
const SIGNED: &str = include_str!("signed.pem");
const PLUGIN: &str = include_str!("plugin.pem");

/// Every test needs it, and a process installs it once.
fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| aws_lc_rs::default_provider().install_default().unwrap());
}

fn signed() -> Identity {
    install();
    Identity::from_pem(SIGNED, include_str!("signed.key")).unwrap()
}

fn plugin() -> Identity {
    install();
    Identity::from_pem(PLUGIN, include_str!("plugin.key")).unwrap()
}

/// Makes a call over TLS.
async fn call(server: &ServerTls, client: &ClientTls) -> Result<String, Status> {
    let network = Network::new();
    let listener = server.listener(network.listen("p521", AccessPolicy::default()).unwrap());
    let server = Server::builder().add_service(MyGreeter::default().service()).listener(listener);
    let _running = Running::start(server.bind().await.unwrap(), DRAIN);
    let connector = client.connector(network.connector("p521", AccessPolicy::default()));
    greet(Channel::from_connector(connector), "world").await
}

#[test]
fn an_authority_on_p521_signs_for_both_ends() {
    run("an_authority_on_p521_signs_for_both_ends", || async {
        let identity = signed();
        let trust = Trust::authorities(AUTHORITY).unwrap();
        let server = ServerTls::new(identity.clone()).require_client(trust.clone());
        let answer = call(&server, &ClientTls::new(trust.clone()).identity(identity)).await.unwrap();
        assert!(answer.starts_with("Hello world"), "{answer}");
        let stranger = ClientTls::new(trust).identity(plugin());
        let error = call(&server, &stranger).await.unwrap_err();
        assert!(error.message().contains("the server reports"), "{error}");
    });
}

/// Each end has only the other's certificate, which is marked as an authority.
#[test]
fn certificates_as_those_of_go_plugin_at_both_ends() {
    run("certificates_as_those_of_go_plugin_at_both_ends", || async {
        let trust = Trust::certificates(PLUGIN).unwrap();
        let server = ServerTls::new(plugin()).require_client(trust.clone());
        call(&server, &ClientTls::new(trust.clone()).identity(plugin())).await.unwrap();
        call(&server, &ClientTls::new(trust.clone()).identity(signed()))
            .await
            .expect_err("another certificate");
        call(&ServerTls::new(signed()), &ClientTls::new(trust)).await.expect_err("another certificate");
    });
}

#[test]
fn a_trusted_certificate_stands_for_nothing_that_it_has_signed() {
    run("a_trusted_certificate_stands_for_nothing_that_it_has_signed", || async {
        let identity = signed();
        let client = ClientTls::new(Trust::certificates(AUTHORITY).unwrap());
        call(&ServerTls::new(identity), &client).await.expect_err("signed by what is trusted");
    });
}

#[test]
fn several_certificates_may_be_trusted() {
    run("several_certificates_may_be_trusted", || async {
        let client = ClientTls::new(Trust::certificates(format!("{PLUGIN}\n# and\n{SIGNED}")).unwrap());
        for identity in [plugin(), signed()] {
            call(&ServerTls::new(identity), &client).await.unwrap();
        }
    });
}

#[test]
fn certificates_that_are_none() {
    let error = Trust::certificates("").unwrap_err().to_string();
    assert!(error.starts_with("the trusted certificates: found no CERTIFICATE; "), "{error}");
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let error = Trust::certificates(format!("{SIGNED}{nonsense}")).unwrap_err();
    let line = SIGNED.lines().count() + 1;
    assert!(matches!(error, TlsError::Invalid { line: at, .. } if at == line), "{error}");
}

/// The error about a key comes from the installed provider.
#[test]
fn a_key_that_it_does_not_take() {
    install();
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let error = Identity::from_pem(SIGNED, key).unwrap_err().to_string();
    assert!(
        error.ends_with("; the provider of cryptography that this process installed does not accept it"),
        "{error}"
    );
    assert_eq!(Identity::from_pem(SIGNED, include_str!("plugin.key")).unwrap_err(), TlsError::KeyMismatch);
    assert_ne!(signed().fingerprint(), Fingerprint::of(b""));
}
