//! Clients that start their server: this program, run again.
//!
//! `GRPC_IPC_RACES` sets how many times each race is run, such as 200.
#![cfg(any(windows, all(unix, feature = "uds")))]

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use grpc_ipc::{AccessPolicy, Announcement, Authorize, Channel, LaunchError, Launcher, Server};
#[cfg(unix)]
use grpc_ipc::{ConnectError, ConnectOptions};
use grpc_ipc_conformance::{Watchdog, run};
use grpc_ipc_proto::greet::greeter_blocking_client::GreeterBlockingClient;
use grpc_ipc_proto::greet::greeter_client::GreeterClient;
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use tempfile::TempDir;
use tonic::{Code, Request, Response, Status};

/// The server's address. If it is set, the program is a server.
const SERVE: &str = "GRPC_IPC_TEST_SERVE";
/// The client's address. If it is set, the program is a client.
const CALL: &str = "GRPC_IPC_TEST_CALL";
const VERSION: &str = "GRPC_IPC_TEST_VERSION";
const IDLE_MS: &str = "GRPC_IPC_TEST_IDLE_MS";
/// The server's action instead of listening.
const INSTEAD: &str = "GRPC_IPC_TEST_INSTEAD";

/// Answers with its process id.
struct WhoAmI;

#[tonic::async_trait]
impl Greeter for WhoAmI {
    async fn say_hello(&self, _: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(HelloReply { message: std::process::id().to_string() }))
    }
}

async fn pid_of(channel: &Channel) -> Result<u32, Status> {
    let reply = GreeterClient::new(channel.clone()).say_hello(HelloRequest::default()).await?;
    Ok(reply.into_inner().message.parse().unwrap())
}

/// Runs this program again, as the process that the test `role` implements.
fn again(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", role, "--nocapture", "--test-threads=1"]);
    command
}

/// Runs the server, if another test has started it.
#[test]
fn as_server() {
    let Ok(path) = env::var(SERVE) else { return };
    let mut starts = OpenOptions::new().append(true).create(true).open(format!("{path}.starts")).unwrap();
    writeln!(starts, "{}", std::process::id()).unwrap();
    match env::var(INSTEAD).as_deref() {
        Ok("fail") => {
            let lines: String = (0..1000).map(|line| format!("line {line} of the output\n")).collect();
            eprintln!("{lines}cannot read the configuration");
            std::process::exit(3);
        }
        Ok("hang") => loop {
            std::thread::park();
        },
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let version = env::var(VERSION).unwrap_or_default();
    let mut server = Server::builder()
        .add_service(GreeterServer::new(WhoAmI))
        .announce(Announcement::new("who-am-i", version))
        .listen(address(&path));
    if let Ok(idle) = env::var(IDLE_MS) {
        server = server.exit_when_idle(Duration::from_millis(idle.parse().unwrap()));
    }
    runtime.block_on(server.serve()).unwrap();
    // Skips the output of the test harness.
    std::process::exit(0);
}

/// Runs a client of the race between processes.
#[test]
fn as_client() {
    let Ok(path) = env::var(CALL) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pid = runtime.block_on(async { pid_of(&launcher(&path).connect().await.unwrap()).await.unwrap() });
    println!("answered by {pid}");
    std::process::exit(0);
}

/// The address for a path, which is a pipe on Windows.
fn address(path: &str) -> String {
    if cfg!(unix) {
        return format!("unix:{path}");
    }
    format!("npipe:launcher{}", path.replace(|char: char| !char.is_ascii_alphanumeric(), "-"))
}

struct Scene {
    directory: TempDir,
    path: String,
}

impl Scene {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("s").to_str().unwrap().to_owned();
        Self { directory, path }
    }

    fn launcher_with(&self, set: impl Fn(&mut Command) + Send + Sync + 'static) -> Launcher {
        launcher_with(&self.path, set)
    }

    fn launcher(&self) -> Launcher {
        launcher(&self.path)
    }

    /// The processes that were started.
    fn starts(&self) -> Vec<u32> {
        let starts = fs::read_to_string(format!("{}.starts", self.path)).unwrap_or_default();
        starts.lines().map(|pid| pid.parse().unwrap()).collect()
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("s.log")
    }
}

/// Ends the servers, even if a test has failed.
impl Drop for Scene {
    fn drop(&mut self) {
        for pid in self.starts() {
            // An ended process is not found. Its id has hardly been reused by now.
            let mut kill = match cfg!(unix) {
                true => Command::new("kill"),
                false => Command::new("taskkill"),
            };
            kill.args(if cfg!(unix) { ["-9"].as_slice() } else { &["/F", "/PID"] }).arg(pid.to_string());
            _ = kill.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}

fn launcher(path: &str) -> Launcher {
    launcher_with(path, |_| {})
}

fn launcher_with(path: &str, set: impl Fn(&mut Command) + Send + Sync + 'static) -> Launcher {
    let address = address(path);
    let path = path.to_owned();
    Launcher::new(address, move || {
        let mut command = again("as_server");
        command.env(SERVE, &path).env_remove(CALL);
        set(&mut command);
        command
    })
    .start_timeout(Duration::from_secs(60))
}

/// Linux's status of a process, while it exists.
fn stat(pid: u32) -> Option<String> {
    cfg!(unix).then(|| fs::read_to_string(format!("/proc/{pid}/stat")).ok())?
}

/// How often a race is run.
fn races(short: usize) -> usize {
    env::var("GRPC_IPC_RACES").map_or(short, |races| races.parse().unwrap())
}

/// As `run`, for races that are run many times.
fn run_races<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F) {
    let _watchdog = Watchdog::start(name, Duration::from_secs(600));
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
}

#[test]
fn clients_of_one_process_start_one_server() {
    run_races("clients_of_one_process_start_one_server", || async {
        for _ in 0..races(3) {
            let scene = Scene::new();
            let clients: Vec<_> = (0..8)
                .map(|_| {
                    let launcher = scene.launcher();
                    tokio::spawn(async move { pid_of(&launcher.connect().await.unwrap()).await.unwrap() })
                })
                .collect();
            let mut answered = Vec::new();
            for client in clients {
                answered.push(client.await.unwrap());
            }
            let starts = scene.starts();
            assert_eq!(starts.len(), 1, "{starts:?}");
            assert_eq!(answered, vec![starts[0]; 8]);
            assert!(!scene.directory.path().join("s.start").exists());
        }
    });
}

#[test]
fn clients_of_many_processes_start_one_server() {
    run_races("clients_of_many_processes_start_one_server", || async {
        for _ in 0..races(2) {
            let scene = Scene::new();
            let clients: Vec<_> = (0..8)
                .map(|_| again("as_client").env(CALL, &scene.path).stdout(Stdio::piped()).spawn().unwrap())
                .collect();
            let outputs: Vec<_> =
                clients.into_iter().map(|client| client.wait_with_output().unwrap().stdout).collect();
            let starts = scene.starts();
            assert_eq!(starts.len(), 1, "{starts:?}");
            for output in outputs {
                let output = String::from_utf8(output).unwrap();
                assert!(output.contains(&format!("answered by {}\n", starts[0])), "{output}");
            }
        }
    });
}

/// The pauses between calls are about as long as the server's idle time.
#[test]
fn no_call_is_lost_when_the_server_ends() {
    run_races("no_call_is_lost_when_the_server_ends", || async {
        let scene = Scene::new();
        let idle = |command: &mut Command| {
            command.env(IDLE_MS, "8");
        };
        let channel = scene.launcher_with(idle).connect().await.unwrap();
        let mut servers = vec![pid_of(&channel).await.unwrap()];
        let wanted = races(5);
        // From just before the end of the idle time to just after it, in small steps, repeatedly.
        for pause in (0..).map(|call| Duration::from_micros(7_000 + call * 137 % 4_000)) {
            // The channel learns of the server's end before the call, or does not.
            match servers.len() % 2 {
                0 => std::thread::sleep(pause),
                _ => tokio::time::sleep(pause).await,
            }
            let pid = pid_of(&channel).await.unwrap();
            if servers.last() != Some(&pid) {
                servers.push(pid);
                if servers.len() > wanted {
                    break;
                }
            }
        }
        assert!(scene.starts().len() > wanted);
    });
}

#[test]
fn the_server_is_started_again_when_it_has_gone() {
    run("the_server_is_started_again_when_it_has_gone", || async {
        let scene = Scene::new();
        let channel = scene.launcher().connect().await.unwrap();
        let first = pid_of(&channel).await.unwrap();
        channel.ask_to_leave(Some(first)).await.unwrap();
        // A call may reach it before it has begun to leave.
        let second = loop {
            match pid_of(&channel).await.unwrap() {
                pid if pid == first => {}
                pid => break pid,
            }
        };
        assert_eq!(scene.starts(), [first, second]);
        if let Some(stat) = stat(second) {
            let session = stat.rsplit(')').next().unwrap().split_whitespace().nth(3).unwrap();
            assert_eq!(session, second.to_string(), "it has a session of its own");
        }
        // The first server is not a zombie, once its thread has run.
        while stat(first).is_some() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_program_that_ends_is_an_error_with_its_output() {
    run("a_program_that_ends_is_an_error_with_its_output", || async {
        let scene = Scene::new();
        let fail = |command: &mut Command| {
            command.env(INSTEAD, "fail");
        };
        let error = scene.launcher_with(fail).connect().await.unwrap_err();
        let LaunchError::Exited { status, output, .. } = &error else { panic!("{error:?}") };
        assert_eq!(status.code(), Some(3));
        assert!(output.ends_with("line 999 of the output\ncannot read the configuration"), "{output}");
        assert!(output.starts_with("line ") && output.len() <= 8 * 1024, "{output}");
        let exit = if cfg!(unix) { "exit status: 3" } else { "exit code: 3" };
        let says = format!("ended with {exit} before it listened; its last output:");
        assert!(error.to_string().contains(&says), "{error}");
        if cfg!(unix) {
            assert!(fs::read_to_string(scene.log()).unwrap().len() > 8 * 1024);
        }

        let error = scene.launcher_with(fail).discard_output().connect().await.unwrap_err();
        assert!(matches!(&error, LaunchError::Exited { output, .. } if output.is_empty()), "{error:?}");
        let own = scene.directory.path().join("own.log");
        fs::write(&own, "before\n").unwrap();
        let error = scene.launcher_with(fail).log_file(&own).connect().await.unwrap_err();
        assert!(
            matches!(&error, LaunchError::Exited { output, .. } if output.starts_with("line")),
            "{error:?}"
        );
        assert!(fs::read_to_string(&own).unwrap().starts_with("before\n"));

        // The error of a call has it as well.
        let status = pid_of(&scene.launcher_with(fail).lazy().unwrap()).await.unwrap_err();
        assert!(status.message().contains("cannot read the configuration"), "{status:?}");
    });
}

/// The system then keeps no exit status, and the client must not wait for one until its time is over.
#[cfg(target_os = "linux")]
#[test]
fn a_program_that_ends_is_an_error_in_a_process_that_ignores_its_children() {
    run("a_program_that_ends_is_an_error_in_a_process_that_ignores_its_children", || async {
        let scene = Scene::new();
        let program = again("as_client");
        let mut client = Command::new("env");
        client.arg("--ignore-signal=CHLD").arg(program.get_program());
        client.args(program.get_args()).env(CALL, &scene.path).env(INSTEAD, "fail");
        let output = client.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("Lost {") && said.contains("cannot read the configuration"), "{said}");
    });
}

#[test]
fn a_program_that_does_not_listen_is_ended() {
    run("a_program_that_does_not_listen_is_ended", || async {
        let scene = Scene::new();
        let hang = |command: &mut Command| {
            command.env(INSTEAD, "hang");
        };
        let launcher = scene.launcher_with(hang).start_timeout(Duration::from_millis(300));
        let error = launcher.connect().await.unwrap_err();
        assert!(matches!(error, LaunchError::TimedOut { .. }), "{error:?}");
        for pid in scene.starts() {
            while stat(pid).is_some() {
                tokio::task::yield_now().await;
            }
        }
        let missing = Launcher::new(address(&scene.path), || Command::new("/does/not/exist"));
        let error = missing.connect().await.unwrap_err();
        assert!(matches!(error, LaunchError::Spawn { .. }), "{error:?}");
        if cfg!(unix) {
            let nowhere = Launcher::new("unix:/does/not/exist/s", || again("as_server"));
            let error = nowhere.connect().await.unwrap_err();
            assert!(matches!(error, LaunchError::Lock(_)), "{error:?}");
        }
    });
}

/// It may be stopped, or may not speak gRPC.
#[cfg(unix)]
#[test]
fn a_server_that_says_nothing_is_not_waited_for_as_long_as_a_start() {
    run("a_server_that_says_nothing_is_not_waited_for_as_long_as_a_start", || async {
        let scene = Scene::new();
        let _silent = std::os::unix::net::UnixListener::bind(&scene.path).unwrap();
        let options = ConnectOptions::new(address(&scene.path)).connect_timeout(Duration::from_millis(100));
        let launcher = Launcher::new(options, || unreachable!("a server is there"));
        let error = launcher.start_timeout(Duration::from_secs(3600)).connect().await.unwrap_err();
        assert!(matches!(error, LaunchError::Connect(ConnectError::TimedOut { .. })), "{error:?}");
    });
}

/// If a script does not exec the program, the program must be ended with it.
#[cfg(target_os = "linux")]
#[test]
fn what_the_program_has_started_is_ended_with_it() {
    run("what_the_program_has_started_is_ended_with_it", || async {
        let scene = Scene::new();
        let starts = format!("{}.starts", scene.path);
        let launcher = Launcher::new(address(&scene.path), move || {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "sleep 1000 & echo $! >> \"$0\"; wait", &starts]);
            command
        });
        let error = launcher.start_timeout(Duration::from_millis(300)).connect().await.unwrap_err();
        assert!(matches!(error, LaunchError::TimedOut { .. }), "{error:?}");
        let [pid] = scene.starts()[..] else { panic!("{:?}", scene.starts()) };
        // Nothing may have collected its exit status.
        while stat(pid).is_some_and(|stat| !stat.contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    });
}

/// systemd would take its messages for those of the client's service.
#[cfg(target_os = "linux")]
#[test]
fn a_server_does_not_inherit_the_service_manager_of_its_client() {
    run("a_server_does_not_inherit_the_service_manager_of_its_client", || async {
        let scene = Scene::new();
        let mut client = again("as_client");
        client.env(CALL, &scene.path).env("NOTIFY_SOCKET", "/run/systemd/notify").stdout(Stdio::null());
        assert!(client.status().unwrap().success());
        let environment = fs::read(format!("/proc/{}/environ", scene.starts()[0])).unwrap();
        let mut variables = environment.split(|byte| *byte == 0);
        assert!(variables.all(|variable| !variable.starts_with(b"NOTIFY_SOCKET=")));
    });
}

#[test]
fn another_version_is_an_error_or_replaced() {
    run("another_version_is_an_error_or_replaced", || async {
        let scene = Scene::new();
        let version = |version: &'static str| {
            move |command: &mut Command| {
                command.env(VERSION, version);
            }
        };
        let old = scene.launcher_with(version("1")).version("1").connect().await.unwrap();
        let first = pid_of(&old).await.unwrap();
        let error = scene.launcher_with(version("2")).version("2").connect().await.unwrap_err();
        assert!(
            matches!(&error, LaunchError::Version { required, found } if required == "2" && found.version == "1"),
            "{error:?}"
        );
        let launcher = scene.launcher_with(version("2")).version("2").replace_other_versions();
        let second = pid_of(&launcher.connect().await.unwrap()).await.unwrap();
        assert_eq!(scene.starts(), [first, second]);

        // The started server must have the right version.
        let launcher = scene.launcher_with(version("2")).version("3").replace_other_versions();
        let error = launcher.connect().await.unwrap_err();
        assert!(matches!(&error, LaunchError::Version { .. }), "{error:?}");
        let matching =
            scene.launcher().version_matching("2 or later", |server| server.version.as_str() >= "2");
        matching.connect().await.unwrap();
    });
}

/// A server of another kind.
#[test]
fn a_server_that_does_not_tell_its_version_is_an_error() {
    run("a_server_that_does_not_tell_its_version_is_an_error", || async {
        let scene = Scene::new();
        let server = Server::builder().listen(address(&scene.path)).bind().await.unwrap();
        tokio::spawn(server.serve());
        let error = scene.launcher().version("1").connect().await.unwrap_err();
        assert!(matches!(error, LaunchError::NotAnnounced { .. }), "{error:?}");
        assert!(scene.starts().is_empty());
    });
}

#[test]
fn a_server_that_does_not_let_the_client_ask_is_an_error_of_its_own() {
    run("a_server_that_does_not_let_the_client_ask_is_an_error_of_its_own", || async {
        let scene = Scene::new();
        let nobody = AccessPolicy::users([]);
        let server = Server::builder()
            .announce(Announcement::new("who-am-i", "1"))
            .layer(Authorize::new(nobody))
            .listen(address(&scene.path));
        tokio::spawn(server.bind().await.unwrap().serve());
        let error = scene.launcher().version("1").connect().await.unwrap_err();
        let LaunchError::NotTold { status, .. } = &error else { panic!("{error:?}") };
        assert_eq!(status.code(), Code::PermissionDenied);
    });
}

#[test]
fn a_blocking_client_starts_the_server() {
    let _watchdog = Watchdog::start("a_blocking_client_starts_the_server", Duration::from_secs(60));
    let scene = Scene::new();
    let channel = grpc_ipc::blocking::Channel::launch(scene.launcher()).unwrap();
    let mut client = GreeterBlockingClient::new(channel);
    let pid = client.say_hello(HelloRequest::default()).unwrap().into_inner().message;
    assert_eq!(scene.starts(), [pid.parse::<u32>().unwrap()]);
}
