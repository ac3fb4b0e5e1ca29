//! TLS on the wire, against rustls itself.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use grpc_ipc::memory::{MemoryStream, Network};
use grpc_ipc::tls::{ClientTls, ServerTls, Trust};
use grpc_ipc::{AccessPolicy, ConnectError, Connection, Connector as _, Listener as _};
use grpc_ipc_conformance::run;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    self, ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig, SupportedProtocolVersion,
};

use crate::certificates::{Authority, Certified, self_signed};
use crate::events::{logged, record};
use crate::{soon, text};

/// A client of rustls that trusts `authority`.
fn client(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> tokio_rustls::TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    tokio_rustls::TlsConnector::from(Arc::new(config))
}

/// A server of rustls, with the certificate of one identity and the key of another.
fn server(
    certificate: &Certified,
    key: &Certified,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> tokio_rustls::TlsAcceptor {
    let provider = ring::default_provider();
    let chain = vec![CertificateDer::from_pem_slice(certificate.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.key.as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let identity = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let config = ServerConfig::builder_with_provider(Arc::new(provider));
    let config = config.with_protocol_versions(versions).unwrap().with_no_client_auth();
    let mut config = config.with_cert_resolver(Arc::new(identity));
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

/// The connection of our listener and that of a rustls client, if the handshake succeeds.
async fn accept(
    tls: &ServerTls,
    client: tokio_rustls::TlsConnector,
    address: &str,
) -> (io::Result<tokio_rustls::client::TlsStream<MemoryStream>>, Option<grpc_ipc::tls::TlsStream<MemoryStream>>)
{
    let network = Network::new();
    let mut listener = tls.listener(network.listen(address, AccessPolicy::default()).unwrap());
    let connect = async {
        let stream = network.connector(address, AccessPolicy::default()).connect(soon()).await.unwrap();
        client.connect("localhost".try_into().unwrap(), stream).await
    };
    let failed = [address, "TLS: "];
    let accept = async {
        tokio::select! {
            stream = listener.accept() => Some(stream),
            _ = logged(&failed) => None,
        }
    };
    tokio::join!(connect, accept)
}

/// The connection of our connector to a rustls server.
async fn connect(
    tls: &ClientTls,
    server: tokio_rustls::TlsAcceptor,
) -> (
    Result<grpc_ipc::tls::TlsStream<MemoryStream>, ConnectError>,
    io::Result<tokio_rustls::server::TlsStream<MemoryStream>>,
) {
    let network = Network::new();
    let mut listener = network.listen("x", AccessPolicy::default()).unwrap();
    let connector = tls.connector(network.connector("x", AccessPolicy::default()));
    let accept = async {
        let stream = listener.accept().await;
        server.accept(stream).await
    };
    tokio::join!(connector.connect(soon()), accept)
}

#[test]
fn versions_1_2_and_1_3() {
    run("versions_1_2_and_1_3", || async {
        let authority = Authority::new();
        let tls = authority.server();
        for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
            let (client, server) = accept(&tls, client(&authority, &[version], &["h2"]), "versions").await;
            let (mut client, mut server) = (client.unwrap(), server.unwrap());
            assert_eq!(client.get_ref().1.protocol_version(), Some(expected));
            server.write_all(b"hello").await.unwrap();
            server.shutdown().await.unwrap();
            let mut text = String::new();
            client.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "hello");
        }
    });
}

/// A client that would resume its session with our server presents and receives all certificates again.
#[test]
fn a_server_resumes_no_session() {
    run("a_server_resumes_no_session", || async {
        let authority = Authority::new();
        for version in [&TLS12, &TLS13] {
            let network = Network::new();
            let mut listener =
                authority.server().listener(network.listen("x", AccessPolicy::default()).unwrap());
            let client = client(&authority, &[version], &["h2"]);
            for _ in 0..2 {
                let stream = network.connector("x", AccessPolicy::default()).connect(soon()).await.unwrap();
                let connect = client.connect("localhost".try_into().unwrap(), stream);
                let (client, mut server) = tokio::join!(connect, listener.accept());
                let mut client = client.unwrap();
                assert_eq!(client.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
                // After the handshake, where TLS 1.3 sends tickets.
                server.shutdown().await.unwrap();
                client.read_to_end(&mut Vec::new()).await.unwrap();
            }
        }
    });
}

/// A server that would resume its session with our client has to present its certificate again.
#[test]
fn a_client_resumes_no_session() {
    run("a_client_resumes_no_session", || async {
        let authority = Authority::new();
        let certified = authority.certify("localhost");
        for version in [&TLS12, &TLS13] {
            let network = Network::new();
            let mut listener = network.listen("x", AccessPolicy::default()).unwrap();
            let connector = authority.client().connector(network.connector("x", AccessPolicy::default()));
            let server = server(&certified, &certified, &[version], &["h2"]);
            for _ in 0..2 {
                let accept = async { server.accept(listener.accept().await).await };
                let (client, server) = tokio::join!(connector.connect(soon()), accept);
                let (mut client, mut server) = (client.unwrap(), server.unwrap());
                assert_eq!(server.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
                server.shutdown().await.unwrap();
                client.read_to_end(&mut Vec::new()).await.unwrap();
            }
        }
    });
}

#[test]
fn a_client_without_http2_is_refused() {
    record();
    run("a_client_without_http2_is_refused", || async {
        let authority = Authority::new();
        let tls = authority.server();
        let offered = client(&authority, &[&TLS13], &["http/1.1", "spdy/1"]);
        let (client_side, server_side) = accept(&tls, offered, "http1").await;
        let error = client_side.unwrap_err().to_string();
        assert!(error.contains("NoApplicationProtocol"), "{error}");
        assert!(server_side.is_none());
        logged(&["http1", "TLS: the client does not offer HTTP/2 (`h2` in ALPN)"]).await;

        let (client_side, server_side) = accept(&tls, client(&authority, &[&TLS13], &[]), "silence").await;
        assert!(server_side.is_none());
        let mut rest = Vec::new();
        client_side.unwrap().read_to_end(&mut rest).await.expect("a clean end");
        assert_eq!(rest, b"");
        logged(&["silence", "TLS: the client did not offer HTTP/2 (`h2`) in the handshake (ALPN)"]).await;
    });
}

#[test]
fn a_server_without_http2_is_refused() {
    run("a_server_without_http2_is_refused", || async {
        let authority = Authority::new();
        let certified = authority.certify("localhost");
        let (client, _) = connect(&authority.client(), server(&certified, &certified, &[&TLS13], &[])).await;
        assert_eq!(
            text(&client.unwrap_err()),
            "cannot connect to memory:x: TLS: the server did not choose HTTP/2 (`h2`) in the handshake (ALPN), which \
             gRPC requires: the server did not choose HTTP/2 (`h2`) in the handshake (ALPN), which gRPC requires"
        );
        let other = server(&certified, &certified, &[&TLS13], &["http/1.1"]);
        let (client, _) = connect(&authority.client(), other).await;
        let error = client.unwrap_err().to_string();
        let expected = "TLS: the server reports NoApplicationProtocol: it does not speak HTTP/2 here";
        assert!(error.ends_with(expected), "{error}");
    });
}

/// Having a certificate does not imply having its key.
#[test]
fn a_pinned_certificate_in_the_wrong_hands() {
    run("a_pinned_certificate_in_the_wrong_hands", || async {
        let [pinned, thief] = [self_signed(), self_signed()];
        let tls = ClientTls::new(Trust::fingerprints([pinned.identity().fingerprint()]));
        for version in [&TLS12, &TLS13] {
            let (client, _) = connect(&tls, server(&pinned, &thief, &[version], &["h2"])).await;
            let error = client.unwrap_err().to_string();
            assert!(error.ends_with("TLS: the certificate of the server: BadSignature"), "{error}");
            let (client, _) = connect(&tls, server(&pinned, &pinned, &[version], &["h2"])).await;
            client.unwrap();
        }
    });
}

/// The same for clients, by their signature in the handshake.
#[test]
fn a_pinned_client_certificate_in_the_wrong_hands() {
    record();
    run("a_pinned_client_certificate_in_the_wrong_hands", || async {
        let authority = Authority::new();
        let [pinned, thief] = [self_signed(), self_signed()];
        let tls = authority.server().require_client(Trust::fingerprints([pinned.identity().fingerprint()]));
        for version in [&TLS12, &TLS13] {
            let mut config = rustls::ClientConfig::clone(client(&authority, &[version], &["h2"]).config());
            let chain = vec![CertificateDer::from_pem_slice(pinned.certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(thief.key.as_bytes()).unwrap();
            let key = ring::default_provider().key_provider.load_private_key(key).unwrap();
            config.client_auth_cert_resolver =
                Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)));
            let address = format!("thief-{version:?}").replace(|c: char| !c.is_alphanumeric(), "");
            let (_, server) = accept(&tls, Arc::new(config).into(), &address).await;
            assert!(server.is_none(), "{version:?}");
            logged(&[&address, "TLS: the certificate of the client: BadSignature"]).await;
        }
    });
}

#[test]
fn a_stream_that_is_cut_short_is_no_end() {
    run("a_stream_that_is_cut_short_is_no_end", || async {
        let authority = Authority::new();
        let certified = authority.certify("localhost");
        let (client, server) =
            connect(&authority.client(), server(&certified, &certified, &[&TLS13], &["h2"])).await;
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        server.write_all(b"hello").await.unwrap();
        server.flush().await.unwrap();
        // Without close_notify.
        drop(server);
        let mut text = Vec::new();
        let error = client.read_to_end(&mut text).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(
            error.to_string(),
            "the server closed the connection without close_notify; it may have been cut off"
        );
        assert_eq!(text, b"hello");
    });
}

#[test]
fn the_process_need_not_have_a_provider() {
    // It would belong to another test or library; this program sets none.
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    static HANDSHAKES: AtomicUsize = AtomicUsize::new(0);
    run("the_process_need_not_have_a_provider", || async {
        let authority = Authority::new();
        let certified = authority.certify("localhost");
        let (client, _) =
            connect(&authority.client(), server(&certified, &certified, &[&TLS13], &["h2"])).await;
        client.unwrap();
        HANDSHAKES.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(HANDSHAKES.load(Ordering::Relaxed), 1);
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

/// Two ends of a connection. The first has written as much as it takes; returns that amount.
async fn full() -> (impl Connection, impl Connection, usize) {
    let authority = Authority::new();
    let network = Network::new();
    let mut listener = authority.server().listener(network.listen("full", AccessPolicy::default()).unwrap());
    let connector = authority.client().connector(network.connector("full", AccessPolicy::default()));
    let (client, server) = tokio::join!(connector.connect(soon()), listener.accept());
    let mut client = client.unwrap();
    let mut written = 0;
    // Unconstrained, because the runtime's own budget would also make a write pending.
    tokio::task::unconstrained(poll_fn(|cx| {
        while let Poll::Ready(n) = Pin::new(&mut client).poll_write(cx, &[7; 10_000]) {
            written += n.unwrap();
        }
        Poll::Ready(())
    }))
    .await;
    (client, server, written)
}

/// Without TLS, the other end's system would deliver it without any action at this end.
#[test]
fn what_was_taken_goes_out_without_a_flush() {
    run("what_was_taken_goes_out_without_a_flush", || async {
        let (mut client, mut server, written) = full().await;
        let answer = async {
            let mut received = vec![0; written];
            server.read_exact(&mut received).await.unwrap();
            server.write_all(b"!").await.unwrap();
        };
        let (byte, ()) = tokio::join!(client.read_u8(), answer);
        assert_eq!(byte.unwrap(), b'!');
    });
}

#[test]
fn what_was_taken_goes_out_after_a_drop() {
    run("what_was_taken_goes_out_after_a_drop", || async {
        let (client, mut server, written) = full().await;
        drop(client);
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.expect("an end that was told");
        assert_eq!(received.len(), written);
    });
}
