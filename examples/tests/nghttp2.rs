//! Clients that know HTTP/2 but not gRPC, nghttp2's `h2load` and `nghttp`, against our server. `cargo xtask setup`
//! installs them; without them, these tests are skipped.

#![cfg(unix)]

mod util;

use std::io;
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use grpc_ipc_conformance::skip;
use grpc_ipc_proto::bench::Chunk;
use prost::Message as _;
use tempfile::TempDir;
use util::{Server, succeed, watch};

const ECHO: &str = "/ipc.bench.Bench/Echo";
/// Requests of gRPC.
const HEADERS: [&str; 4] = ["-H", "content-type: application/grpc", "-H", "te: trailers"];

/// Whether a program of nghttp2 is installed; a word about it, if not.
fn installed(test: &str, program: &str) -> bool {
    let installed =
        Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !installed {
        skip(test, &format!("{program} is missing; run `cargo xtask setup`"));
    }
    installed
}

/// Our server, with the path of its socket in `directory`.
fn serve(directory: &TempDir) -> (Server, PathBuf) {
    let socket = directory.path().join("s");
    let address = format!("unix:{}", socket.display());
    (Server::start(Command::new(env!("CARGO_BIN_EXE_peer")).args(["serve", &address])), socket)
}

/// A file with the body of a request whose payload has `size` bytes, and the length of that body, which is also the
/// response's.
fn body(directory: &TempDir, size: usize) -> (PathBuf, usize) {
    let message = Chunk { payload: vec![7; size].into() }.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let body = [&[0], &length[..], &message].concat();
    let path = directory.path().join(size.to_string());
    std::fs::write(&path, &body).unwrap();
    (path, body.len())
}

#[test]
fn h2load_has_all_its_calls_answered() {
    let test = "h2load_has_all_its_calls_answered";
    let _watchdog = watch(test);
    if !installed(test, "h2load") {
        return;
    }
    let directory = TempDir::new().unwrap();
    let (server, socket) = serve(&directory);
    // Small messages, and some that do not fit the windows that HTTP/2 begins with.
    for (calls, size) in [(200, 100), (40, 200_000)] {
        let (body, length) = body(&directory, size);
        let mut h2load = Command::new("h2load");
        h2load
            .args(HEADERS)
            .args(["-n", &calls.to_string(), "-c", "2", "-m", "10"])
            .arg(format!("--base-uri=unix:{}", socket.display()))
            .arg("-d")
            .arg(body)
            .arg(format!("http://localhost{ECHO}"));
        let printed = succeed(&mut h2load);
        let succeeded = format!("{calls} done, {calls} succeeded, 0 failed, 0 errored, 0 timeout");
        assert!(printed.contains(&succeeded), "{printed}");
        assert!(printed.contains(&format!("status codes: {calls} 2xx,")), "{printed}");
        assert!(printed.contains(&format!("({}) data", calls * length)), "{printed}");
    }
    server.stop();
}

#[test]
fn nghttp_sees_the_status_in_the_trailers() {
    let test = "nghttp_sees_the_status_in_the_trailers";
    let _watchdog = watch(test);
    if !installed(test, "nghttp") {
        return;
    }
    let directory = TempDir::new().unwrap();
    let (server, socket) = serve(&directory);
    let (body, length) = body(&directory, 100);
    let mut nghttp = Command::new("nghttp");
    let uri = format!("http://127.0.0.1:{}{ECHO}", port_to(&socket));
    let printed = succeed(nghttp.args(HEADERS).args(["--verbose", "--null-out", "-d"]).arg(body).arg(uri));
    let said = [":status: 200", &format!("recv DATA frame <length={length}"), "grpc-status: 0"];
    let found = said.map(|what| printed.find(what).unwrap_or_else(|| panic!("no {what:?} in {printed}")));
    assert!(found.is_sorted(), "headers, message, trailers: {printed}");
    server.stop();
}

/// A TCP port that forwards one connection to `socket`, because nghttp cannot connect to Unix sockets.
fn port_to(socket: &Path) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let unix = UnixStream::connect(socket).unwrap();
    std::thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        let (to_client, from_server) = (tcp.try_clone().unwrap(), unix.try_clone().unwrap());
        std::thread::spawn(move || io::copy(&mut &from_server, &mut &to_client));
        // The client may disconnect without closing the stream.
        _ = io::copy(&mut &tcp, &mut &unix);
        _ = unix.shutdown(Shutdown::Both);
    });
    port
}
