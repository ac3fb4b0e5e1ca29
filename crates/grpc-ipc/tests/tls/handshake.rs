//! Accepted clients and servers.

use grpc_ipc::tls::{ClientTls, Fingerprint, ServerTls, Trust};
use grpc_ipc::{Channel, ConnectOptions, ListenOptions, Peer, Server};
use grpc_ipc_conformance::{run, unique_name};
use grpc_ipc_proto::greet::greeter_server::GreeterServer;
use rcgen::KeyPair;
use tempfile::TempDir;
use tonic::{Code, Request, Status};

use crate::certificates::{Authority, self_signed};
use crate::util::{DRAIN, MyGreeter, Running, greet};
use crate::{Scene, text};

#[test]
fn by_address_on_every_transport() {
    run("by_address_on_every_transport", || async {
        let authority = Authority::new();
        let directory = TempDir::new().unwrap();
        let mut addresses = vec!["http://127.0.0.1:0".to_owned(), format!("local:{}", unique_name("tls"))];
        if cfg!(windows) {
            addresses.push(format!("npipe:{}", unique_name("tls")));
        } else {
            addresses.push(format!("unix:{}", directory.path().join("s").display()));
        }
        if cfg!(target_os = "linux") {
            addresses.push(format!("unix-abstract:{}", unique_name("tls")));
        }
        for address in addresses {
            let options = ListenOptions::new(&address).tls(authority.server());
            let server = Server::builder().add_service(MyGreeter::default().service()).listen(options);
            let server = server.bind().await.unwrap();
            let address = server.local_addresses()[0].clone();
            let running = Running::start(server, DRAIN);
            let channel =
                Channel::connect(ConnectOptions::new(&address).tls(authority.client())).await.unwrap();
            let peer = channel.peer().unwrap();
            assert!(peer.certificates().is_some(), "{address}");
            if !address.to_string().starts_with("http:") {
                assert_eq!(peer.pid(), Some(std::process::id()), "who the system says it is: {address}");
            }
            let answer = greet(channel, "world").await.unwrap();
            assert!(answer.starts_with("Hello world, "), "{address}: {answer}");
            running.stop().await.unwrap().unwrap();
        }
    });
}

/// Accepts calls only from the owner of the certificate with this fingerprint.
fn only(fingerprint: Fingerprint) -> impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone {
    move |request| {
        let certificates = request.extensions().get::<Peer>().and_then(Peer::certificates);
        match certificates.and_then(<[_]>::first) {
            Some(certificate) if Fingerprint::of(certificate) == fingerprint => Ok(request),
            Some(_) => Err(Status::permission_denied("another certificate")),
            None => Err(Status::unauthenticated("no certificate")),
        }
    }
}

#[test]
fn handlers_see_the_certificate_of_the_client() {
    run("handlers_see_the_certificate_of_the_client", || async {
        let authority = Authority::new();
        let [alice, bob] = ["alice", "bob"].map(|name| authority.identify(name));
        let directory = TempDir::new().unwrap();
        let address = match cfg!(windows) {
            true => format!("npipe:{}", unique_name("tls")),
            false => format!("unix:{}", directory.path().join("s").display()),
        };
        let tls = authority.server().accept_client(authority.trust());
        let service = GreeterServer::with_interceptor(MyGreeter::default(), only(alice.fingerprint()));
        let server = Server::builder().add_service(service).listen(ListenOptions::new(&address).tls(tls));
        let running = Running::start(server.bind().await.unwrap(), DRAIN);
        let call = async |tls: ClientTls| {
            greet(Channel::connect(ConnectOptions::new(&address).tls(tls)).await.unwrap(), "x").await
        };
        assert!(call(authority.client().identity(alice)).await.unwrap().starts_with("Hello x"));
        assert_eq!(call(authority.client().identity(bob)).await.unwrap_err().code(), Code::PermissionDenied);
        assert_eq!(call(authority.client()).await.unwrap_err().code(), Code::Unauthenticated);
        running.stop().await.unwrap().unwrap();
    });
}

#[test]
fn both_ends_know_each_others_certificates() {
    run("both_ends_know_each_others_certificates", || async {
        let (ours, theirs) = (Authority::new(), Authority::new());
        let (server, client) = (ours.identify("localhost"), theirs.identify("client"));
        let (of_server, of_client) = (server.fingerprint(), client.fingerprint());
        let (server, client) = (
            ServerTls::new(server).require_client(theirs.trust()),
            ClientTls::new(ours.trust()).identity(client),
        );
        let (client, server) = pair(&server, &client).await;
        let shown = |peer: &Peer| Fingerprint::of(&peer.certificates().unwrap()[0]);
        assert_eq!((shown(client.peer()), shown(server.peer())), (of_server, of_client));
    });
}

use grpc_ipc::memory::{MemoryStream, Network};
use grpc_ipc::tls::TlsStream;
use grpc_ipc::{AccessPolicy, Connection as _, Connector as _, Listener as _};

async fn pair(server: &ServerTls, client: &ClientTls) -> (TlsStream<MemoryStream>, TlsStream<MemoryStream>) {
    let network = Network::new();
    let mut listener = server.listener(network.listen("x", AccessPolicy::default()).unwrap());
    let connector = client.connector(network.connector("x", AccessPolicy::default()));
    let (client, server) = tokio::join!(connector.connect(crate::soon()), listener.accept());
    (client.unwrap(), server)
}

#[test]
fn pinned_at_both_ends_without_an_authority() {
    run("pinned_at_both_ends_without_an_authority", || async {
        let [server, client] = [self_signed().identity(), self_signed().identity()];
        let pinned = |fingerprint: Fingerprint| {
            // In the form that a user stores.
            Trust::fingerprints([fingerprint.to_string().parse().unwrap()])
        };
        let (of_server, of_client) = (pinned(server.fingerprint()), pinned(client.fingerprint()));
        let scene = Scene::serve(&ServerTls::new(server).require_client(of_client)).await;
        let tls = ClientTls::new(of_server).identity(client);
        assert!(greet(scene.channel(&tls), "world").await.unwrap().starts_with("Hello world"));
    });
}

/// If a server requests a certificate but does not require it.
#[test]
fn a_client_may_show_nothing() {
    run("a_client_may_show_nothing", || async {
        let authority = Authority::new();
        for trust in [authority.trust(), Trust::fingerprints([])] {
            let scene = Scene::serve(&authority.server().accept_client(trust)).await;
            greet(scene.channel(&authority.client()), "world").await.unwrap();
        }
    });
}

#[test]
fn by_name_and_by_ip_address() {
    run("by_name_and_by_ip_address", || async {
        let authority = Authority::new();
        for name in ["greeter.example", "127.0.0.1", "::1"] {
            let scene = Scene::serve(&ServerTls::new(authority.identify(name))).await;
            let tls = authority.client().server_name(name).unwrap();
            greet(scene.channel(&tls), "world").await.unwrap();
            let error = text(&scene.refuse(&authority.client()).await);
            assert!(error.contains(r#"certificate not valid for name "localhost""#), "{error}");
        }
    });
}

#[test]
fn keys_of_every_kind() {
    run("keys_of_every_kind", || async {
        let authority = Authority::new();
        for algorithm in
            [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519]
        {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let identity = authority.certify_key("localhost", &key).identity();
            let scene = Scene::serve(&ServerTls::new(identity)).await;
            greet(scene.channel(&authority.client()), "world").await.unwrap();
        }
    });
}
