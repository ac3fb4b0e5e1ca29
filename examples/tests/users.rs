//! Who may connect: this user, root, and other users. Only root can become other users, so these tests run as root or
//! are skipped.
#![cfg(unix)]

mod util;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use grpc_ipc::unix::ListenOptionsExt as _;
use grpc_ipc::{AccessPolicy, BoundServer, GroupId, ListenOptions, Peer, UserId};
use grpc_ipc_conformance::{run, skip, unique_name};
use grpc_ipc_proto::greet::greeter_server::{Greeter, GreeterServer};
use grpc_ipc_proto::greet::{HelloReply, HelloRequest};
use tempfile::TempDir;
use tonic::{Request, Response, Status};
use util::{GREETER, Server, fail, for_everyone, succeed};

/// Users that no system has.
const ALICE: u32 = 471_101;
const BOB: u32 = 471_102;

struct Place {
    directory: TempDir,
    greeter: PathBuf,
}

impl Place {
    /// A directory in which everyone may create files, like `/tmp`. If this is not root, reports that the test is
    /// skipped.
    fn new(test: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skip(test, "only root can become another user");
            return None;
        }
        let directory = TempDir::new().unwrap();
        let greeter = for_everyone(GREETER, directory.path());
        fs::set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
        Some(Self { directory, greeter })
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("g.sock")
    }

    fn address(&self) -> String {
        format!("unix:{}", self.path().display())
    }

    /// The greeter, run by `user`.
    fn greeter(&self, user: u32, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.greeter);
        command.args(arguments).stdin(Stdio::null()).uid(user).gid(user).current_dir("/").env_clear();
        command
    }

    fn open_mode(&self) {
        fs::set_permissions(self.path(), Permissions::from_mode(0o666)).unwrap();
    }
}

#[test]
fn another_user_is_refused_at_connect() {
    run("another_user_is_refused_at_connect", || async {
        let Some(place) = Place::new("another_user_is_refused_at_connect") else { return };
        let address = place.address();
        let _server = Server::start(&mut place.greeter(ALICE, &["serve", &address]));
        let metadata = fs::metadata(place.path()).unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o777), (ALICE, 0o600));

        let said = fail(&mut place.greeter(BOB, &["call", &address]));
        assert!(said.contains("no permission; does the server run as another user?"), "{said}");
        assert!(succeed(&mut place.greeter(ALICE, &["call", &address])).starts_with("Hello world"));
    });
}

#[test]
fn another_user_is_refused_at_accept() {
    run("another_user_is_refused_at_accept", || async {
        let Some(place) = Place::new("another_user_is_refused_at_accept") else { return };
        let address = place.address();
        let _server = Server::start(&mut place.greeter(0, &["serve", &address]));
        place.open_mode();
        // Bob accepts root, and connects; the server refuses him.
        let said = fail(&mut place.greeter(BOB, &["call", &address]));
        assert!(said.contains("the server refuses this user"), "{said}");
        assert!(succeed(&mut place.greeter(0, &["call", &address])).starts_with("Hello world"));
    });
}

#[test]
fn a_user_that_is_not_mapped_is_nobody() {
    let test = "a_user_that_is_not_mapped_is_nobody";
    run(test, || async {
        let Some(place) = Place::new(test) else { return };
        let namespace = ["--user", "--map-user=65534", "--map-group=65534"];
        if !Command::new("unshare").args(namespace).arg("true").status().is_ok_and(|status| status.success())
        {
            return skip(test, "this system lets nobody make a user namespace");
        }
        // In that namespace, Bob and this server have the same number: the number of all unmapped users.
        let address = format!("unix-abstract:{}", unique_name("g"));
        let mut server = Command::new("unshare");
        let _server = Server::start(server.args(namespace).arg(&place.greeter).args(["serve", &address]));
        fail(&mut place.greeter(BOB, &["call", &address]));

        // The same number owns the directories there, and nobody can tell which user that is.
        let mut server = Command::new("unshare");
        let said = fail(server.args(namespace).arg(&place.greeter).args(["serve", &place.address()]));
        assert!(said.contains("/ belongs to a user that has no number in this user namespace"), "{said}");
    });
}

#[test]
fn the_server_of_another_user_is_not_trusted() {
    run("the_server_of_another_user_is_not_trusted", || async {
        let Some(place) = Place::new("the_server_of_another_user_is_not_trusted") else { return };
        let address = place.address();
        let server = Server::start(&mut place.greeter(ALICE, &["serve", &address]));
        place.open_mode();
        let expected = format!("peer unix:uid={ALICE},pid={} is refused", server.pid());
        // This applies even to root, which could connect to anything.
        for user in [BOB, 0] {
            let said = fail(&mut place.greeter(user, &["call", &address]));
            assert!(said.contains("the server is not trusted") && said.contains(&expected), "{said}");
        }
    });
}

/// Answers with the uid of the caller.
struct WhoAmI;

#[tonic::async_trait]
impl Greeter for WhoAmI {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let user = request.extensions().get::<Peer>().and_then(Peer::user).map(UserId::to_string);
        Ok(Response::new(HelloReply { message: user.unwrap_or_default() }))
    }
}

#[test]
fn a_user_whom_the_policy_names_gets_in() {
    run("a_user_whom_the_policy_names_gets_in", || async {
        let Some(place) = Place::new("a_user_whom_the_policy_names_gets_in") else { return };
        let policy = AccessPolicy::default().or(AccessPolicy::users([UserId::Uid(ALICE)]));
        let options = ListenOptions::new(place.address()).mode(0o666).access(policy);
        let server = grpc_ipc::Server::builder().add_service(GreeterServer::new(WhoAmI)).listen(options);
        tokio::spawn(server.bind().await.map(BoundServer::serve).unwrap());

        let address = place.address();
        let alice = blocking(move || succeed(&mut place.greeter(ALICE, &["call", &address]))).await;
        assert!(alice.starts_with(&format!("uid={ALICE}\n")), "{alice}");
    });
}

#[test]
fn a_user_whom_the_policy_does_not_name_stays_out() {
    run("a_user_whom_the_policy_does_not_name_stays_out", || async {
        let Some(place) = Place::new("a_user_whom_the_policy_does_not_name_stays_out") else { return };
        let policy = AccessPolicy::users([UserId::Uid(ALICE)]);
        let options = ListenOptions::new(place.address()).mode(0o666).access(policy);
        let server = grpc_ipc::Server::builder().add_service(GreeterServer::new(WhoAmI)).listen(options);
        tokio::spawn(server.bind().await.map(BoundServer::serve).unwrap());
        let address = place.address();
        // Neither Bob nor root, which the list does not have.
        for user in [BOB, 0] {
            let mut command = place.greeter(user, &["call", &address]);
            blocking(move || fail(&mut command)).await;
        }
    });
}

/// A group that no system has.
const OPERATORS: u32 = 471_110;

#[test]
fn a_member_of_the_group_that_the_policy_names_gets_in() {
    let test = "a_member_of_the_group_that_the_policy_names_gets_in";
    run(test, || async {
        let Some(place) = Place::new(test) else { return };
        if Command::new("setpriv").arg("--version").stdout(Stdio::null()).status().is_err() {
            return skip(test, "it takes `setpriv` of util-linux");
        }
        let policy = AccessPolicy::groups([GroupId::Gid(OPERATORS)]);
        let options = ListenOptions::new(place.address()).mode(0o666).access(policy.clone());
        let server = grpc_ipc::Server::builder().add_service(GreeterServer::new(WhoAmI)).listen(options);
        tokio::spawn(server.bind().await.map(BoundServer::serve).unwrap());
        let address = place.address();
        // Bob, with a primary group and other groups.
        let bob = |group: u32, others: &str| {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={BOB}")).arg(format!("--regid={group}")).arg(others);
            command.arg(&place.greeter).args(["call", &address]).current_dir("/");
            command
        };
        let others = format!("--groups={BOB},{OPERATORS}");
        for mut command in [bob(BOB, &others), bob(OPERATORS, "--clear-groups")] {
            let said = blocking(move || succeed(&mut command)).await;
            assert!(said.starts_with(&format!("uid={BOB}\n")), "{said}");
        }
        assert_eq!(policy.refused(), 0);
        let others = format!("--groups={BOB},{}", OPERATORS + 1);
        for mut command in
            [bob(BOB, "--clear-groups"), bob(BOB, &others), place.greeter(0, &["call", &address])]
        {
            blocking(move || fail(&mut command)).await;
        }
        assert!(policy.refused() >= 3, "{}", policy.refused());
    });
}

#[test]
fn anyone_gets_in_who_may_when_anyone_may() {
    run("anyone_gets_in_who_may_when_anyone_may", || async {
        let Some(place) = Place::new("anyone_gets_in_who_may_when_anyone_may") else { return };
        let options = ListenOptions::new(place.address()).mode(0o666);
        let options = options.access(AccessPolicy::dangerous_allow_anyone());
        let server = grpc_ipc::Server::builder().add_service(GreeterServer::new(WhoAmI)).listen(options);
        tokio::spawn(server.bind().await.map(BoundServer::serve).unwrap());
        let address = place.address();
        let bob = blocking(move || succeed(&mut place.greeter(BOB, &["call", &address]))).await;
        assert!(bob.starts_with(&format!("uid={BOB}\n")), "{bob}");
    });
}

#[test]
fn a_directory_without_permission_is_named() {
    run("a_directory_without_permission_is_named", || async {
        let Some(place) = Place::new("a_directory_without_permission_is_named") else { return };
        let closed = place.directory.path().join("closed");
        for (mode, action) in [(0o700, "inspect the path"), (0o755, "open the lock file beside the socket")] {
            _ = fs::create_dir(&closed);
            fs::set_permissions(&closed, Permissions::from_mode(mode)).unwrap();
            let address = format!("unix:{}", closed.join("g.sock").display());
            let said = fail(&mut place.greeter(ALICE, &["serve", &address]));
            assert!(said.contains(&format!("no permission to {action}")), "{said}");
        }
    });
}

#[test]
fn a_local_name_is_in_a_directory_of_the_users_own() {
    run("a_local_name_is_in_a_directory_of_the_users_own", || async {
        let Some(place) = Place::new("a_local_name_is_in_a_directory_of_the_users_own") else { return };
        let serve = |home: &Path, variables: &[(&str, &Path)]| {
            let mut command = place.greeter(ALICE, &["serve", "local:g"]);
            command.env("HOME", home).envs(variables.iter().copied());
            command
        };
        let own = |name: &str, owner: u32, mode: u32| {
            let directory = place.directory.path().join(name);
            fs::create_dir(&directory).unwrap();
            std::os::unix::fs::chown(&directory, Some(owner), Some(owner)).unwrap();
            fs::set_permissions(&directory, Permissions::from_mode(mode)).unwrap();
            directory
        };
        let home = own("home", ALICE, 0o755);
        let listens_at = |command: &mut Command, path: PathBuf| {
            let server = Server::start(command);
            assert_eq!(server.ready, format!("listening on local:g (unix:{})", path.display()));
            server
        };

        // Without a runtime directory, it is a directory in the home directory, which nobody else can enter.
        let server = listens_at(&mut serve(&home, &[]), home.join(".grpc-ipc/g.sock"));
        assert_eq!(fs::metadata(home.join(".grpc-ipc")).unwrap().mode() & 0o777, 0o700);
        let called = succeed(place.greeter(ALICE, &["call", "local:g"]).env("HOME", &home));
        assert!(called.starts_with("Hello world"));
        drop(server);

        // With a runtime directory, it is that one, unless it belongs to another user or others can enter it.
        let runtime = own("runtime", ALICE, 0o700);
        listens_at(&mut serve(&home, &[("XDG_RUNTIME_DIR", &runtime)]), runtime.join("g.sock"));
        for wrong in [own("bobs", BOB, 0o700), own("open", ALICE, 0o711)] {
            let mut command = serve(&home, &[("XDG_RUNTIME_DIR", &wrong)]);
            listens_at(&mut command, home.join(".grpc-ipc/g.sock"));
        }

        // With neither, the error says what to do.
        fs::set_permissions(home.join(".grpc-ipc"), Permissions::from_mode(0o755)).unwrap();
        let said = fail(&mut serve(&home, &[]));
        assert!(
            said.contains("is not a private directory of this user (mode 0700); set XDG_RUNTIME_DIR"),
            "{said}"
        );
    });
}

/// Runs a command while the server in this process goes on.
async fn blocking<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> T {
    let limit = Duration::from_secs(50);
    tokio::time::timeout(limit, tokio::task::spawn_blocking(task)).await.unwrap().unwrap()
}
