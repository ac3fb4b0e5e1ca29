//! A server that systemd starts: its sockets and its notifications. The test program runs again as the service.
#![cfg(all(target_os = "linux", feature = "uds"))]

mod util;

use std::env;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use grpc_ipc::unix::LocalStream;
use grpc_ipc::unix::systemd::{State, notify};
use grpc_ipc::{AccessPolicy, Channel, ConnectError, ListenOptions, Server};
use grpc_ipc_conformance::{run, skip};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use util::{DRAIN, MyGreeter, Running, greet};

/// Set in the inner run, which is the service.
const INSIDE: &str = "GRPC_IPC_TEST_SERVICE";
const SERVICE: &str = "this_program_as_the_service";

/// The service, which is killed when this is dropped.
struct Service(Child);

impl Service {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// The command that runs this program as the service.
fn service() -> [String; 4] {
    let program = env::current_exe().unwrap().into_os_string().into_string().unwrap();
    [program, "--exact".to_owned(), SERVICE.to_owned(), "--nocapture".to_owned()]
}

#[test]
fn this_program_as_the_service() {
    if env::var_os(INSIDE).is_none() {
        return;
    }
    run(SERVICE, || async {
        let stop = grpc_ipc::shutdown_signal().unwrap();
        let server = Server::builder().add_service(MyGreeter::default().service()).notify_systemd();
        let server = server.listen("systemd:first").listen("systemd:second").bind().await.unwrap();
        server.serve_with_shutdown(stop, DRAIN).await.unwrap();
    });
}

async fn both_answer(paths: &[PathBuf; 2], service: u32) {
    for path in paths {
        let channel = Channel::connect(format!("unix:{}", path.display())).await.unwrap();
        let message = greet(channel, "world").await.unwrap();
        assert!(message.contains(&format!("pid={}", std::process::id())), "{message}, from {service}");
    }
}

fn receive(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

#[test]
fn a_service_takes_its_sockets_and_says_how_it_is() {
    run("a_service_takes_its_sockets_and_says_how_it_is", || async {
        let directory = TempDir::new().unwrap();
        let paths = ["a", "b"].map(|name| directory.path().join(name));
        let [first, second] = paths.each_ref().map(|path| UnixListener::bind(path).unwrap());
        let notified = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        let script = "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=first:second WATCHDOG_USEC=2000 WATCHDOG_PID=$$ \
                      exec \"$@\" 3<&0 4<&1 0</dev/null 1>/dev/null";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh"]).args(service()).env(INSIDE, "1");
        command.env("NOTIFY_SOCKET", directory.path().join("notify"));
        command.stdin(Stdio::from(std::os::fd::OwnedFd::from(first)));
        command.stdout(Stdio::from(std::os::fd::OwnedFd::from(second)));
        let mut service = Service::start(&mut command);
        assert_eq!(receive(&notified), "READY=1");
        assert_eq!(receive(&notified), "WATCHDOG=1");
        both_answer(&paths, service.0.id()).await;
        assert_eq!(receive(&notified), "WATCHDOG=1");
        service.signal(Signal::TERM);
        while receive(&notified) != "STOPPING=1" {}
        assert!(service.0.wait().unwrap().success());
        assert!(paths.iter().all(|path| path.exists()), "the sockets are systemd's");
    });
}

/// systemd's own program for testing such services.
#[test]
fn systemd_socket_activate_starts_a_service() {
    let test = "systemd_socket_activate_starts_a_service";
    const PROGRAM: &str = "/usr/bin/systemd-socket-activate";
    if !Path::new(PROGRAM).exists() {
        return skip(test, "systemd-socket-activate is missing; run `cargo xtask setup`");
    }
    run(test, || async {
        let directory = TempDir::new().unwrap();
        let paths = ["a", "b"].map(|name| directory.path().join(name));
        let mut command = Command::new(PROGRAM);
        for path in &paths {
            command.arg("-l").arg(path);
        }
        command.args(["--fdname=first:second", "-E"]).arg(format!("{INSIDE}=1")).args(service());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let service = Service::start(&mut command);
        // It listens before it starts the service, which accepts a client.
        while UnixStream::connect(&paths[1]).is_err() {
            std::thread::yield_now();
        }
        both_answer(&paths, service.0.id()).await;
    });
}

#[test]
fn a_process_that_systemd_has_not_started_tells_nobody() {
    if env::var_os("NOTIFY_SOCKET").is_none() {
        assert!(!notify(State::Ready).unwrap());
    }
}

#[test]
fn a_socket_can_be_given_to_one_server_after_another() {
    run("a_socket_can_be_given_to_one_server_after_another", || async {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("s");
        let address = format!("unix:{}", path.display());
        let options = ListenOptions::from(UnixListener::bind(&path).unwrap());
        for _ in 0..2 {
            let server =
                Server::builder().add_service(MyGreeter::default().service()).listen(options.clone());
            let server = server.bind().await.unwrap();
            assert_eq!(server.local_addresses()[0].to_string(), address);
            let running = Running::start(server, DRAIN);
            let channel = Channel::connect(&address).await.unwrap();
            let peer = channel.peer().unwrap();
            assert_eq!(greet(channel, "world").await.unwrap(), format!("Hello world, {peer}"));
            running.stop().await.unwrap().unwrap();
        }
        let socket = tokio::net::UnixListener::bind(directory.path().join("t")).unwrap();
        let nobody = ListenOptions::try_from(socket).unwrap().access(AccessPolicy::users([]));
        let server = Server::builder().listen(nobody).bind().await.unwrap();
        let address = server.local_addresses()[0].clone();
        let _running = Running::start(server, DRAIN);
        let error = Channel::connect(address).await.unwrap_err();
        assert!(matches!(error, ConnectError::Rejected { .. }), "{error:?}");
    });
}

#[test]
fn a_socket_that_is_no_listener_says_what_it_is() {
    run("a_socket_that_is_no_listener_says_what_it_is", || async {
        let (connected, _other) = UnixStream::pair().unwrap();
        assert!(LocalStream::try_from(connected.try_clone().unwrap()).is_ok());
        let options = ListenOptions::from(std::os::fd::OwnedFd::from(connected));
        let error = Server::builder().listen(options).bind().await.unwrap_err();
        let text = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        assert!(
            text.contains("is a connected Unix domain socket, expected a listening Unix domain socket"),
            "{text}"
        );
        let error = Channel::connect("systemd:greeter").await.unwrap_err();
        assert!(error.to_string().contains("connect to the path of the socket"), "{error}");
    });
}
