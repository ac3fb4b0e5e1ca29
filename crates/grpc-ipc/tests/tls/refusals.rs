//! Refused peers, and the errors at both ends.

use grpc_ipc::memory::Network;
use grpc_ipc::tls::{ClientTls, ServerTls, Trust};
use grpc_ipc::{AccessPolicy, Channel, ConnectError, Connector as _, Listener as _};
use grpc_ipc_conformance::run;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Duration, Instant};
use tonic::Code;

use crate::certificates::{Authority, self_signed};
use crate::events::logged;
use crate::util::greet;
use crate::{Scene, soon, text};

/// The client's error. The server logs its own.
async fn refused(server: &ServerTls, client: &ClientTls) -> String {
    let scene = Scene::serve(server).await;
    let error = scene.refuse(client).await;
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    let address = format!("memory:{}", scene.name);
    logged(&[&address, "TLS: the client reports "]).await;
    let text = error.to_string();
    let start = format!("cannot connect to {address}: TLS: ");
    text.strip_prefix(&start).unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn a_server_of_another_authority() {
    run("a_server_of_another_authority", || async {
        let error = refused(&Authority::new().server(), &Authority::new().client()).await;
        assert_eq!(error, "the certificate of the server: no authority that is trusted here has signed it");
    });
}

#[test]
fn a_server_with_another_name() {
    run("a_server_with_another_name", || async {
        let authority = Authority::new();
        let server = ServerTls::new(authority.identify("greeter.example"));
        let error = refused(&server, &authority.client()).await;
        assert_eq!(
            error,
            "the certificate of the server: certificate not valid for name \"localhost\"; certificate is only valid \
             for DnsName(\"greeter.example\")"
        );
    });
}

#[test]
fn a_server_whose_certificate_has_expired() {
    run("a_server_whose_certificate_has_expired", || async {
        let authority = Authority::new();
        let expired = authority.certify_with("localhost", |params| {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 2, 1);
        });
        let server = ServerTls::new(expired.identity());
        let error = refused(&server, &authority.client()).await;
        assert!(error.starts_with("the certificate of the server: certificate expired: "), "{error}");

        let pinned = ClientTls::new(Trust::fingerprints([expired.identity().fingerprint()]));
        let scene = Scene::serve(&server).await;
        greet(scene.channel(&pinned), "pinned").await.expect("its time is not looked at");
    });
}

#[test]
fn a_server_that_is_not_the_pinned_one() {
    run("a_server_that_is_not_the_pinned_one", || async {
        let [server, other] = [self_signed().identity(), self_signed().identity()];
        let client = ClientTls::new(Trust::fingerprints([other.fingerprint()]));
        let fingerprint = server.fingerprint();
        let error = refused(&ServerTls::new(server), &client).await;
        let expected = format!("its fingerprint {fingerprint} is not trusted here");
        assert_eq!(error, format!("the certificate of the server: {expected}"));
    });
}

#[test]
fn an_authority_as_a_server() {
    run("an_authority_as_a_server", || async {
        let server = Authority::self_as("localhost");
        let client = ClientTls::new(Trust::authorities(&server.certificate).unwrap());
        let error = refused(&ServerTls::new(server.identity()), &client).await;
        let expected = "it is marked as an authority (CA:TRUE); trust it with `Trust::certificates` instead";
        assert_eq!(error, format!("the certificate of the server: {expected}"));
    });
}

/// The error of a refused client's first call. With TLS 1.3, the handshake ends for the client before the server has
/// checked its certificate.
async fn call_refused(server: &ServerTls, client: &ClientTls, event: &str) -> String {
    let scene = Scene::serve(server).await;
    let status = greet(scene.channel(client), "world").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    logged(&[&format!("memory:{}", scene.name), event]).await;
    status.message().to_owned()
}

#[test]
fn a_client_without_a_certificate() {
    run("a_client_without_a_certificate", || async {
        let authority = Authority::new();
        for trust in [authority.trust(), Trust::fingerprints([])] {
            let server = authority.server().require_client(trust);
            let event = "TLS: the client presented no certificate";
            let error = call_refused(&server, &authority.client(), event).await;
            assert!(
                error
                    .ends_with("the server reports CertificateRequired: this end must present a certificate"),
                "{error}"
            );
        }
    });
}

#[test]
fn a_client_of_another_authority() {
    run("a_client_of_another_authority", || async {
        let authority = Authority::new();
        let stranger = authority.client().identity(Authority::new().identify("client"));
        let event = "TLS: the certificate of the client: no authority that is trusted here has signed it";
        for server in [
            authority.server().require_client(authority.trust()),
            authority.server().accept_client(authority.trust()),
        ] {
            let error = call_refused(&server, &stranger, event).await;
            assert!(
                error.ends_with(
                    "the server reports UnknownCA: it does not trust the authority of this end's certificate"
                ),
                "{error}"
            );
        }
    });
}

#[test]
fn a_client_that_is_not_the_pinned_one() {
    run("a_client_that_is_not_the_pinned_one", || async {
        let authority = Authority::new();
        let [client, other] = [self_signed().identity(), self_signed().identity()];
        let server = authority.server().require_client(Trust::fingerprints([other.fingerprint()]));
        let event = format!("TLS: the certificate of the client: its fingerprint {}", client.fingerprint());
        let error = call_refused(&server, &authority.client().identity(client), &event).await;
        assert!(error.contains(": the server reports "), "{error}");
    });
}

#[test]
fn a_client_without_tls() {
    run("a_client_without_tls", || async {
        let scene = Scene::serve(&Authority::new().server()).await;
        let status = greet(Channel::from_connector(scene.plain_connector()), "world").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().ends_with("the server speaks TLS"), "{status:?}");
        let event = "TLS: the client does not speak TLS; does it use HTTP/2 without TLS?";
        logged(&[&format!("memory:{}", scene.name), event]).await;
    });
}

#[test]
fn a_server_without_tls() {
    run("a_server_without_tls", || async {
        let network = Network::new();
        let listener = network.listen("plain", AccessPolicy::default()).unwrap();
        let server = grpc_ipc::Server::builder().listener(listener).bind().await.unwrap();
        let _running = crate::util::Running::start(server, crate::util::DRAIN);
        let connector = network.connector("plain", AccessPolicy::default());
        let Err(error) = Authority::new().client().connector(connector).connect(soon()).await else {
            panic!("connected");
        };
        assert_eq!(
            error.to_string(),
            "cannot connect to memory:plain: TLS: the server does not speak TLS; does it use HTTP/2 without TLS?"
        );
    });
}

#[test]
fn a_server_that_says_nothing() {
    run("a_server_that_says_nothing", || async {
        let network = Network::new();
        let mut listener = network.listen("silent", AccessPolicy::default()).unwrap();
        let connector =
            Authority::new().client().connector(network.connector("silent", AccessPolicy::default()));
        let deadline = Instant::now() + Duration::from_millis(100);
        let (connected, _server) = tokio::join!(connector.connect(deadline), listener.accept());
        assert!(matches!(connected, Err(ConnectError::TimedOut { .. })));
        assert!(Instant::now() >= deadline);
    });
}

#[test]
fn a_client_that_is_silent_or_slow_holds_up_nobody() {
    run("a_client_that_is_silent_or_slow_holds_up_nobody", || async {
        let authority = Authority::new();
        let scene = Scene::serve(&authority.server().handshake_timeout(Duration::from_secs(3600))).await;
        let _silent = scene.plain_connector().connect(soon()).await.unwrap();
        let mut slow = scene.plain_connector().connect(soon()).await.unwrap();
        // The beginning of a ClientHello of 512 bytes. The rest never arrives.
        slow.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).await.unwrap();
        for name in ["one", "another"] {
            greet(scene.channel(&authority.client()), name).await.unwrap();
        }
    });
}

#[test]
fn a_silent_client_is_given_up_in_time() {
    run("a_silent_client_is_given_up_in_time", || async {
        let authority = Authority::new();
        let limit = Duration::from_millis(100);
        let scene = Scene::serve(&authority.server().handshake_timeout(limit).max_handshakes(1)).await;
        let mut silent = scene.plain_connector().connect(soon()).await.unwrap();
        // Only one handshake may run at a time, so it waits until the other is given up.
        greet(scene.channel(&authority.client()), "world").await.unwrap();
        assert_eq!(silent.read(&mut [0]).await.unwrap(), 0, "the connection is closed without a byte");
        let address = format!("memory:{}", scene.name);
        logged(&[&address, "TLS: the client did not complete the handshake in 100ms"]).await;
    });
}

#[test]
fn there_are_no_more_handshakes_than_may_be() {
    run("there_are_no_more_handshakes_than_may_be", || async {
        let authority = Authority::new();
        let hour = Duration::from_secs(3600);
        let scene = Scene::serve(&authority.server().handshake_timeout(hour).max_handshakes(2)).await;
        let mut silent = Vec::new();
        for _ in 0..2 {
            silent.push(scene.plain_connector().connect(soon()).await.unwrap());
        }
        let connector = authority.client().connector(scene.plain_connector());
        let refused = connector.connect(Instant::now() + Duration::from_millis(100)).await;
        assert!(matches!(refused, Err(ConnectError::TimedOut { .. })), "a third one");
        silent.pop();
        greet(scene.channel(&authority.client()), "world").await.unwrap();
    });
}

#[test]
fn the_access_policy_is_asked_before_a_byte_of_tls() {
    run("the_access_policy_is_asked_before_a_byte_of_tls", || async {
        let authority = Authority::new();
        let network = Network::new();
        let listener = network.listen("closed", AccessPolicy::users([])).unwrap();
        let mut listener = authority.server().listener(listener);
        let accepting = tokio::spawn(async move { drop(listener.accept().await) });

        let plain = network.connector("closed", AccessPolicy::default());
        let mut refused = plain.connect(soon()).await.unwrap();
        // An invalid ClientHello, which TLS would answer with an alert. The server may have disconnected already.
        _ = refused.write_all(&[0x16, 3, 1, 0, 1, 0]).await;
        let mut answer = Vec::new();
        _ = refused.read_to_end(&mut answer).await;
        assert_eq!(answer, b"", "nothing is answered");

        let error = authority.client().connector(plain).connect(soon()).await.unwrap_err();
        assert!(matches!(error, ConnectError::Closed { .. }), "{}", text(&error));
        assert!(!accepting.is_finished(), "nobody is accepted");
    });
}

/// The server is behind the system's own accept, so a write fails before the client reads the answer.
#[cfg(all(unix, feature = "uds"))]
#[test]
fn a_client_that_the_policy_refuses_is_told_so() {
    use grpc_ipc::{Channel, ConnectOptions, ListenOptions, Server};

    run("a_client_that_the_policy_refuses_is_told_so", || async {
        let authority = Authority::new();
        let directory = tempfile::TempDir::new().unwrap();
        let address = format!("unix:{}", directory.path().join("s").display());
        let nobody = AccessPolicy::users([]);
        let options = ListenOptions::new(&address).tls(authority.server()).access(nobody.clone());
        let server = Server::builder().listen(options).bind().await.unwrap();
        let _running = crate::util::Running::start(server, crate::util::DRAIN);
        for refused in 1..=50 {
            let options = ConnectOptions::new(&address).tls(authority.client());
            let error = Channel::connect(options).await.unwrap_err();
            assert!(matches!(error, ConnectError::Rejected { .. }), "{}", text(&error));
            assert_eq!(nobody.refused(), refused);
        }
    });
}
