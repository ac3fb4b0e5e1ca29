//! Our client and our server with a proxy between them, nginx or haproxy, and the proxy's error pages. `cargo xtask
//! setup` installs both. Without them, these tests are skipped.

#![cfg(unix)]

mod util;

use std::convert::Infallible;
use std::future::pending;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::stream;
use grpc_ipc::{BoundServer, Channel, ConnectOptions, Server};
use grpc_ipc_conformance::{run, skip};
use grpc_ipc_proto::testing::test_service_client::TestServiceClient;
use grpc_ipc_proto::testing::{
    Payload, SimpleRequest, StreamingInputCallRequest, StreamingOutputCallRequest,
};
use tempfile::TempDir;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::layer::layer_fn;
use tower::service_fn;
use util::succeed;

/// A proxy with the sockets in its directory, killed at the end.
struct Proxy {
    child: Child,
    directory: TempDir,
}

impl Proxy {
    /// Starts it with this configuration, in which `DIR` stands for its directory. If it is not installed, reports that
    /// the test is skipped, and returns `None`.
    fn start(test: &str, program: &str, arguments: &[&str], configuration: &str) -> Option<Self> {
        // Debian's directory for servers, which not every user has in the path.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let command = || {
            let mut command = Command::new(program);
            command.env("PATH", &path).stdin(Stdio::null()).stderr(Stdio::null());
            command
        };
        if command().arg("-v").output().is_err() {
            skip(test, &format!("{program} is missing; run `cargo xtask setup`"));
            return None;
        }
        let directory = TempDir::new().unwrap();
        let place = directory.path().to_str().unwrap();
        let file = directory.path().join("configuration");
        // haproxy requires the last line to end.
        std::fs::write(&file, configuration.replace("DIR", place) + "\n").unwrap();
        let arguments = arguments.iter().map(|argument| argument.replace("DIR", place));
        let child = command().args(arguments).spawn().unwrap();
        Some(Self { child, directory })
    }

    /// nginx with these blocks `server`.
    fn nginx(test: &str, servers: &str) -> Option<Self> {
        let configuration = format!(
            "daemon off; master_process off; pid DIR/pid; error_log stderr; events {{ worker_connections 256; }}
             http {{
                 access_log off; client_body_temp_path DIR/body; proxy_temp_path DIR/proxy;
                 fastcgi_temp_path DIR/fastcgi; uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
                 grpc_buffer_size 32k;
                 {servers}
             }}"
        );
        Self::start(test, "nginx", &["-c", "DIR/configuration", "-p", "DIR", "-e", "stderr"], &configuration)
    }

    /// haproxy with these frontends and backends.
    fn haproxy(test: &str, ends: &str) -> Option<Self> {
        let configuration = format!(
            "global
                 nbthread 1
             defaults
                 mode http
                 retries 0
                 timeout connect 20s
                 timeout client 60s
                 timeout server 60s
             {ends}"
        );
        Self::start(test, "haproxy", &["-f", "DIR/configuration", "-db", "-q"], &configuration)
    }

    fn address(&self, socket: &str) -> String {
        format!("unix:{}", self.directory.path().join(socket).display())
    }

    /// A channel, once the proxy listens there.
    async fn channel(&self, socket: &str) -> Channel {
        let options = ConnectOptions::new(self.address(socket)).wait(Duration::from_secs(20));
        Channel::connect(options).await.unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Checks that our client passes its cases with our server behind the proxy, except the `unsupported` ones.
fn passes_the_cases(test: &str, proxy: impl FnOnce() -> Option<Proxy>, unsupported: &[&str]) {
    run(test, async || {
        let Some(proxy) = proxy() else { return };
        let peer = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
            command.args(arguments).stdin(Stdio::null());
            command
        };
        for direct in [false, true] {
            let mut server = peer(&["serve", &proxy.address("back"), "--max-connection-age", "1"]);
            if direct {
                server.arg("--direct");
            }
            let server = util::Server::start(&mut server);
            proxy.channel("front").await;
            let cases: &[&str] = if direct { &["ping_pong", "large_unary"] } else { &[] };
            let printed = succeed(peer(&["call", &proxy.address("front")]).args(cases));
            let expected = if direct { 2 } else { 18 };
            assert_eq!(
                printed.lines().filter(|line| line.ends_with(": passed")).count(),
                expected,
                "{printed}"
            );
            let extended: Vec<_> = EXTENDED.into_iter().filter(|case| !unsupported.contains(case)).collect();
            if !direct {
                succeed(peer(&["call", &proxy.address("front")]).args(extended));
            }
            server.stop();
        }
    });
}

/// The cases that a proxy could disturb.
const EXTENDED: [&str; 11] = [
    "binary_metadata",
    "large_metadata",
    "many_calls",
    "trailers_only",
    "every_status",
    "status_details",
    "deadlines",
    "cancel_phases",
    "empty_streams",
    "early_status",
    "connection_age",
];

#[test]
fn our_peer_passes_the_cases_through_nginx() {
    let test = "our_peer_passes_the_cases_through_nginx";
    let server = "server { listen unix:DIR/front http2; location / { grpc_pass grpc://unix:DIR/back; } }";
    // nginx opens a connection to the server for each call.
    passes_the_cases(test, || Proxy::nginx(test, server), &["many_calls"]);
}

#[test]
fn our_peer_passes_the_cases_through_haproxy() {
    let test = "our_peer_passes_the_cases_through_haproxy";
    let ends = "
        frontend front
            bind unix@DIR/front proto h2
            default_backend back
        backend back
            server ours unix@DIR/back proto h2
    ";
    passes_the_cases(test, || Proxy::haproxy(test, ends), &[]);
}

/// Calls of every kind through a socket of a proxy that answers them with an error page. Two of them are unary: the
/// first call of a connection takes the general path, and the second is direct.
async fn check_page(proxy: &Proxy, socket: &str, http: &str, code: Code) {
    let mut client = TestServiceClient::new(proxy.channel(socket).await);
    let payload = Some(Payload { body: vec![0; 16 << 10].into(), ..Default::default() });
    let unary = || SimpleRequest { payload: payload.clone(), ..Default::default() };
    let input = StreamingInputCallRequest { payload: payload.clone(), ..Default::default() };
    let output = StreamingOutputCallRequest { payload: payload.clone(), ..Default::default() };

    let mut statuses = vec![
        client.unary_call(unary()).await.unwrap_err(),
        client.unary_call(unary()).await.unwrap_err(),
        client.streaming_input_call(stream::iter(vec![input; 32])).await.unwrap_err(),
    ];
    let download = client.streaming_output_call(output.clone()).await;
    let exchange = client.full_duplex_call(stream::iter(vec![output; 32])).await;
    for call in [download, exchange] {
        statuses.push(match call {
            Ok(responses) => responses.into_inner().message().await.unwrap_err(),
            Err(status) => status,
        });
    }
    for (call, status) in statuses.iter().enumerate() {
        check_status(status, http, code, &format!("call {call} of {socket}"));
    }
}

/// A server that never answers a call.
async fn silent_server(proxy: &Proxy) -> BoundServer {
    type Answer = Result<http::Response<Body>, Infallible>;
    let silent = layer_fn(|_| service_fn(|_: http::Request<Body>| pending::<Answer>()));
    Server::builder().layer(silent).listen(proxy.address("silent")).bind().await.unwrap()
}

/// The code of gRPC's `http-grpc-status-mapping.md`, and a message that names the HTTP status.
fn check_status(status: &Status, http: &str, code: Code, what: &str) {
    assert_eq!(status.code(), code, "{what}: {status:?}");
    assert!(status.message().contains(&format!("HTTP status {http}")), "{what}: {status:?}");
}

#[test]
fn a_page_of_nginx_is_one_status_that_names_it() {
    let test = "a_page_of_nginx_is_one_status_that_names_it";
    let servers = "
        server { listen unix:DIR/down http2; location / { grpc_pass grpc://unix:DIR/nothing; } }
        server { listen unix:DIR/closed http2; return 503; }
        server { listen unix:DIR/strict http2; return 400; }
        server {
            listen unix:DIR/slow http2;
            location / { grpc_pass grpc://unix:DIR/silent; grpc_read_timeout 100ms; grpc_send_timeout 100ms; }
        }
        server {
            listen unix:DIR/small http2; client_max_body_size 1k;
            location / { grpc_pass grpc://unix:DIR/silent; }
        }
    ";
    run(test, async || {
        let Some(proxy) = Proxy::nginx(test, servers) else { return };
        tokio::spawn(silent_server(&proxy).await.serve());
        check_page(&proxy, "down", "502", Code::Unavailable).await;
        check_page(&proxy, "closed", "503", Code::Unavailable).await;
        check_page(&proxy, "slow", "504", Code::Unavailable).await;
        check_page(&proxy, "small", "413", Code::Unknown).await;
        check_page(&proxy, "strict", "400", Code::Internal).await;
    });
}

#[test]
fn a_page_of_haproxy_is_one_status_that_names_it() {
    let test = "a_page_of_haproxy_is_one_status_that_names_it";
    let ends = "
        frontend down
            bind unix@DIR/down proto h2
            default_backend nothing
        frontend slow
            bind unix@DIR/slow proto h2
            default_backend silent
        frontend small
            bind unix@DIR/small proto h2
            http-request deny deny_status 413
        frontend strict
            bind unix@DIR/strict proto h2
            http-request deny deny_status 400
        backend nothing
            server ours unix@DIR/nothing proto h2
        backend silent
            timeout server 100ms
            server ours unix@DIR/silent proto h2
    ";
    run(test, async || {
        let Some(proxy) = Proxy::haproxy(test, ends) else { return };
        tokio::spawn(silent_server(&proxy).await.serve());
        check_page(&proxy, "down", "503", Code::Unavailable).await;
        check_page(&proxy, "slow", "504", Code::Unavailable).await;
        check_page(&proxy, "small", "413", Code::Unknown).await;
        check_page(&proxy, "strict", "400", Code::Internal).await;
    });
}
