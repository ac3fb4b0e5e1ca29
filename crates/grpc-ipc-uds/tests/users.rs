//! What other users can do to a socket's path. Each test acts as several users at once, each in
//! a thread of its own, because on Linux it is threads that belong to users. Only root can become them.
#![cfg(target_os = "linux")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use grpc_ipc_conformance::{run, skip, unique_name};
use grpc_ipc_core::{
    AccessPolicy, Address, BindError, ConnectError, Connection as _, Connector as _, GroupId, Listener as _,
    Peer, UserId,
};
use grpc_ipc_uds::{ConnectOptions, ListenOptions, LocalListener};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use tempfile::TempDir;
use tokio::time::Instant;

/// Users and a group that no system has.
const ALICE: u32 = 471_101;
const BOB: u32 = 471_102;
const FRIENDS: u32 = 471_103;

/// A directory of root's that everyone may enter. Reports a skipped test and returns `None` if this process is not root.
fn place(test: &str) -> Option<TempDir> {
    if !rustix::process::geteuid().is_root() {
        skip(test, "only root can become another user");
        return None;
    }
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    Some(directory)
}

/// A directory in `parent`.
fn directory(parent: &TempDir, name: &str, (owner, group, mode): (u32, u32, u32)) -> PathBuf {
    let directory = parent.path().join(name);
    fs::create_dir(&directory).unwrap();
    chown(&directory, Some(owner), Some(group)).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(mode)).unwrap();
    directory
}

/// Runs `task` as `user`, with a primary group of the same number, and with `groups` as supplementary groups.
fn as_user<T: Send>(user: u32, groups: &[u32], task: impl AsyncFnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
            set_thread_groups(&groups).unwrap();
            let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
            set_thread_res_gid(gid, gid, gid).unwrap();
            set_thread_res_uid(uid, uid, uid).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(task())
        });
        thread.join().unwrap()
    })
}

async fn listen(path: &Path) -> Result<LocalListener, BindError> {
    ListenOptions::new().listen(&Address::unix(path).unwrap()).await
}

fn listen_as(user: u32, path: &Path) -> Result<(), BindError> {
    as_user(user, &[], async || listen(path).await.map(drop))
}

fn in_use_by(result: Result<(), BindError>) -> Peer {
    match result {
        Err(BindError::InUse { by: Some(by), .. }) => by,
        other => panic!("{other:?}"),
    }
}

/// Checks that `file`, which belongs to `owner`, blocks the address.
fn in_the_way(result: Result<(), BindError>, file: &Path, owner: u32) {
    match result {
        Err(error @ BindError::InTheWay { .. }) => {
            let said = error.to_string();
            let expected = format!(
                "{} belongs to uid={owner}, not to this user, and blocks the address; use a directory that only this user \
                 may write to, or have that user or root remove it",
                file.display()
            );
            assert!(said.contains(&expected), "{said}");
            let BindError::InTheWay { path, owner: found, .. } = error else { unreachable!() };
            assert_eq!((path.as_path(), found), (file, Some(UserId::Uid(owner))));
        }
        other => panic!("{other:?}"),
    }
}

fn unsafe_parent(result: Result<(), BindError>, unsafe_one: &Path, expected: &str) {
    match result {
        Err(BindError::UnsafeParent { parent, problem, .. }) => {
            assert_eq!((parent.as_path(), &*problem), (unsafe_one, expected));
        }
        other => panic!("{other:?}"),
    }
}

fn lock_of(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

/// No matter which user made the socket.
#[test]
fn a_supplementary_group_lets_in_on_a_socket_from_elsewhere() {
    let test = "a_supplementary_group_lets_in_on_a_socket_from_elsewhere";
    let Some(place) = place(test) else { return };
    run(test, || async move {
        let path = place.path().join("s");
        let socket = UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let friends = AccessPolicy::groups([GroupId::Gid(FRIENDS)]);
        let mut listener = ListenOptions::new().access(friends.clone()).listen_on(socket).await.unwrap();
        let connect = |user, groups: &'static [u32]| {
            let path = path.clone();
            tokio::task::spawn_blocking(move || as_user(user, groups, async || UnixStream::connect(path)))
        };
        let _alice = connect(ALICE, &[FRIENDS]).await.unwrap().unwrap();
        assert_eq!(listener.accept().await.peer().user(), Some(&UserId::Uid(ALICE)));
        let _bob = connect(BOB, &[]).await.unwrap().unwrap();
        let _alice = connect(ALICE, &[BOB, FRIENDS]).await.unwrap().unwrap();
        assert_eq!(listener.accept().await.peer().user(), Some(&UserId::Uid(ALICE)));
        assert_eq!(friends.refused(), 1, "Bob");
    });
}

#[test]
fn a_directory_of_another_user_is_refused() {
    run("a_directory_of_another_user_is_refused", || async {
        let Some(place) = place("a_directory_of_another_user_is_refused") else { return };
        let bobs = directory(&place, "bobs", (BOB, BOB, 0o1777));
        let problem = format!("belongs to uid={BOB}, which is neither this user nor root");
        // Also for root, who may write to any directory.
        for user in [ALICE, 0] {
            unsafe_parent(listen_as(user, &bobs.join("s")), &bobs, &problem);
        }
        listen_as(BOB, &bobs.join("s")).unwrap();
        // And this user's own directory inside it.
        let below = bobs.join("alices");
        as_user(ALICE, &[], async || fs::create_dir(&below).unwrap());
        unsafe_parent(listen_as(ALICE, &below.join("s")), &bobs, &problem);
        // And a directory that Bob's link leads to.
        let common = directory(&place, "common", (0, 0, 0o1777));
        let alices = directory(&place, "alices", (ALICE, ALICE, 0o700));
        let link = common.join("link");
        as_user(BOB, &[], async || symlink(&alices, &link).unwrap());
        unsafe_parent(listen_as(ALICE, &link.join("s")), &link, &problem);
        let allowed = as_user(ALICE, &[], async || {
            let options = ListenOptions::new().dangerous_allow_unsafe_parent();
            options.listen(&Address::unix(link.join("s")).unwrap()).await.map(drop)
        });
        allowed.unwrap();
    });
}

#[test]
fn a_directory_that_a_group_may_write_to_is_refused_unless_it_is_the_users_alone() {
    let test = "a_directory_that_a_group_may_write_to_is_refused_unless_it_is_the_users_alone";
    run(test, || async {
        let Some(place) = place(test) else { return };
        // Alice's own group. Neither she nor the group has a name.
        let own = directory(&place, "own", (ALICE, ALICE, 0o775));
        listen_as(ALICE, &own.join("s")).unwrap();
        // Another group, even if she is in it, and root's.
        for group in [FRIENDS, 0] {
            let groups = directory(&place, &group.to_string(), (ALICE, group, 0o775));
            let problem = format!("can be written to by the group gid={group} (mode 0775)");
            unsafe_parent(listen_as(ALICE, &groups.join("s")), &groups, &problem);
            let member = as_user(ALICE, &[group], async || listen(&groups.join("s")).await.map(drop));
            unsafe_parent(member, &groups, &problem);
            fs::set_permissions(&groups, Permissions::from_mode(0o1775)).unwrap();
            listen_as(ALICE, &groups.join("s")).unwrap();
        }
        // With an access control list, the bits no longer describe her group.
        let bob = format!("u:{BOB}:rwx");
        if Command::new("setfacl")
            .args(["-m", &bob])
            .arg(&own)
            .output()
            .is_ok_and(|done| done.status.success())
        {
            let problem = "can be written to by users or groups in its access control list (mode 0775)";
            unsafe_parent(listen_as(ALICE, &own.join("s")), &own, problem);
        } else {
            let reason =
                "setfacl is missing, or the file system has no access control lists; run `cargo xtask setup`";
            skip(test, reason);
        }
    });
}

/// Anyone who can replace a link chooses the server.
#[test]
fn a_client_that_follows_links_follows_none_of_another_user() {
    let test = "a_client_that_follows_links_follows_none_of_another_user";
    run(test, || async {
        let Some(place) = place(test) else { return };
        let common = directory(&place, "common", (0, 0, 0o1777));
        let path = common.join("s");
        let connect = async |link: &Path| {
            let options = ConnectOptions::new().access(AccessPolicy::dangerous_allow_anyone());
            let connector = options.follow_symlinks(true).connector(&Address::unix(link).unwrap());
            connector.connect(Instant::now()).await.map(drop)
        };
        let _listener = UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let links = [("roots", 0), ("alices", ALICE), ("bobs", BOB)].map(|(name, user)| {
            let link = common.join(name);
            as_user(user, &[], async || symlink(&path, &link).unwrap());
            link
        });
        let by_way_of_bob = common.join("chain");
        symlink("bobs", &by_way_of_bob).unwrap();
        let [roots, alices, bobs] = links;
        for link in [&roots, &alices] {
            as_user(ALICE, &[], async || connect(link).await).unwrap();
        }
        for link in [&bobs, &by_way_of_bob] {
            let error = as_user(ALICE, &[], async || connect(link).await).unwrap_err();
            let found = "a symbolic link that belongs to neither this user nor root";
            assert!(matches!(error, ConnectError::NotASocket { found: f, .. } if f == found), "{error:?}");
        }
    });
}

#[test]
fn a_squatter_is_named_before_this_server_starts() {
    run("a_squatter_is_named_before_this_server_starts", || async {
        let Some(place) = place("a_squatter_is_named_before_this_server_starts") else { return };
        let common = directory(&place, "common", (0, 0, 0o1777));
        let path = common.join("s");
        let squat = async || UnixListener::bind(&path).unwrap();

        // A squatter that lets everyone connect: the kernel identifies it.
        let squatter = as_user(BOB, &[], squat);
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        for user in [ALICE, 0] {
            let by = in_use_by(listen_as(user, &path));
            assert_eq!((by.user(), by.pid()), (Some(&UserId::Uid(BOB)), Some(std::process::id())));
            assert!(!by.is_same_user());
        }
        // A squatter that lets nobody connect: the file's owner identifies it.
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        in_the_way(listen_as(ALICE, &path), &path, BOB);
        // A dead squatter, whose file root may remove, but not Alice.
        drop(squatter);
        in_the_way(listen_as(ALICE, &path), &path, BOB);
        listen_as(0, &path).unwrap();

        // A squatter that is faster than a client's server: the client does not connect to it.
        let _squatter = as_user(BOB, &[], squat);
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let connected = as_user(ALICE, &[], async || {
            ConnectOptions::new()
                .connector(&Address::unix(&path).unwrap())
                .connect(Instant::now())
                .await
                .map(drop)
        });
        let Err(ConnectError::Untrusted { refused, .. }) = connected else { panic!("{connected:?}") };
        assert_eq!(refused.peer().user(), Some(&UserId::Uid(BOB)));
    });
}

#[test]
fn a_server_of_another_user_is_named() {
    run("a_server_of_another_user_is_named", || async {
        let Some(place) = place("a_server_of_another_user_is_named") else { return };
        let common = directory(&place, "common", (0, 0, 0o1777));
        let path = common.join("s");
        let bobs = as_user(BOB, &[], async || {
            ListenOptions::new().mode(0o666).listen(&Address::unix(&path).unwrap()).await.unwrap()
        });
        // Alice cannot open the lock file, so she connects to the socket. Root can, and finds it locked.
        for user in [ALICE, 0] {
            assert_eq!(in_use_by(listen_as(user, &path)).user(), Some(&UserId::Uid(BOB)));
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        in_the_way(listen_as(ALICE, &path), &lock_of(&path), BOB);
        as_user(BOB, &[], async || drop(bobs));
        listen_as(ALICE, &path).unwrap();
    });
}

#[test]
fn the_lock_file_of_another_user_is_not_written_to() {
    run("the_lock_file_of_another_user_is_not_written_to", || async {
        let Some(place) = place("the_lock_file_of_another_user_is_not_written_to") else { return };
        let common = directory(&place, "common", (0, 0, 0o1777));
        let path = common.join("s");
        let lock = lock_of(&path);
        let file = as_user(BOB, &[], async || {
            fs::write(&lock, "1\n").unwrap();
            fs::File::open(&lock).unwrap()
        });
        // Whether everyone may open it or not.
        for mode in [0o666, 0o600] {
            fs::set_permissions(&lock, Permissions::from_mode(mode)).unwrap();
            for user in [ALICE, 0] {
                in_the_way(listen_as(user, &path), &lock, BOB);
            }
        }
        // If it is locked, the address is in use. Only Bob's file claims that process 1 uses it.
        flock(&file, FlockOperation::LockExclusive).unwrap();
        let by = in_use_by(listen_as(0, &path));
        assert_eq!((by.user(), by.pid()), (Some(&UserId::Uid(BOB)), None));
        assert_eq!(fs::read_to_string(&lock).unwrap(), "1\n");
        assert!(!path.exists());
    });
}

#[test]
fn an_abstract_name_that_is_taken_is_taken_by_somebody() {
    run("an_abstract_name_that_is_taken_is_taken_by_somebody", || async {
        let test = "an_abstract_name_that_is_taken_is_taken_by_somebody";
        let Some(_) = place(test) else { return };
        let address = Address::unix_abstract(unique_name("taken")).unwrap();
        let listener = as_user(BOB, &[], async || ListenOptions::new().listen(&address).await.unwrap());
        let refused = as_user(ALICE, &[], async || ListenOptions::new().listen(&address).await.map(drop));
        assert_eq!(in_use_by(refused).user(), Some(&UserId::Uid(BOB)));
        drop(listener);
    });
}

#[test]
fn owner_and_group_are_those_asked_for() {
    run("owner_and_group_are_those_asked_for", || async {
        let Some(place) = place("owner_and_group_are_those_asked_for") else { return };
        let path = place.path().join("s");
        let options = ListenOptions::new().mode(0o660).owner(ALICE).group(FRIENDS);
        let listener = options.listen(&Address::unix(&path).unwrap()).await.unwrap();
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (ALICE, FRIENDS, 0o660));
        // Only this process can still take the lock.
        let lock = fs::metadata(lock_of(&path)).unwrap();
        assert_eq!((lock.uid(), lock.mode() & 0o7777), (0, 0o600));
        // By name. The name of root's group differs between systems; the group daemon exists on all of them.
        let named = place.path().join("named");
        let options = ListenOptions::new().owner_name("root").group_name("daemon");
        let _named = options.listen(&Address::unix(&named).unwrap()).await.unwrap();
        assert_eq!(fs::metadata(&named).unwrap().uid(), 0);
        assert_ne!(fs::metadata(&named).unwrap().gid(), 0);
        // The owner and a member of the group may connect; nobody else.
        for (user, groups, gets_in) in [(ALICE, &[][..], true), (BOB, &[FRIENDS], true), (BOB, &[], false)] {
            let connected = as_user(user, groups, async || UnixStream::connect(&path).is_ok());
            assert_eq!(connected, gets_in, "{user} {groups:?}");
        }
        drop(listener);
        assert!(!path.exists() && !lock_of(&path).exists());
    });
}

#[test]
fn who_is_not_root_may_choose_a_group_of_their_own_only() {
    run("who_is_not_root_may_choose_a_group_of_their_own_only", || async {
        let Some(place) = place("who_is_not_root_may_choose_a_group_of_their_own_only") else { return };
        let alices = directory(&place, "alices", (ALICE, ALICE, 0o700));
        let address = Address::unix(alices.join("s")).unwrap();
        let listens = |options: ListenOptions| {
            as_user(ALICE, &[FRIENDS], async || {
                let listener = options.listen(&address).await?;
                let found = fs::metadata(alices.join("s")).unwrap();
                drop(listener);
                Ok::<_, BindError>((found.uid(), found.gid()))
            })
        };
        assert_eq!(listens(ListenOptions::new().group(FRIENDS)).unwrap(), (ALICE, FRIENDS));
        assert_eq!(listens(ListenOptions::new().owner(ALICE)).unwrap(), (ALICE, ALICE));
        assert!(matches!(
            listens(ListenOptions::new().owner_name("root")),
            Err(BindError::PermissionDenied { .. })
        ));
        for options in [ListenOptions::new().owner(BOB), ListenOptions::new().group(BOB)] {
            let error = listens(options).unwrap_err();
            assert!(matches!(error, BindError::PermissionDenied { .. }), "{error:?}");
            assert!(
                error.to_string().ends_with(
                    "no permission to give the socket its owner and group; only root may change the owner, and others may \
                     choose only a group that they belong to"
                ),
                "{error}"
            );
        }
        for options in [ListenOptions::new().owner(u32::MAX), ListenOptions::new().group(u32::MAX)] {
            let error = listens(options).unwrap_err();
            assert!(matches!(error, BindError::InvalidOption { .. }), "{error:?}");
        }
        assert_eq!(fs::read_dir(&alices).unwrap().count(), 0, "nothing is left");
    });
}

#[test]
fn the_wrong_user_cannot_connect_even_while_the_server_starts() {
    run("the_wrong_user_cannot_connect_even_while_the_server_starts", || async {
        let Some(place) = place("the_wrong_user_cannot_connect_even_while_the_server_starts") else { return };
        let path = place.path().join("s");
        let (started, ended, connected) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU32::new(0));
        thread::scope(|scope| {
            // Bob is in the group that a new file of root gets, but not in this socket's group.
            scope.spawn(|| {
                as_user(BOB, &[0], async || {
                    while !ended.load(Ordering::Relaxed) {
                        if UnixStream::connect(&path).is_ok() {
                            connected.fetch_add(1, Ordering::Relaxed);
                        }
                        started.store(true, Ordering::Relaxed);
                    }
                });
            });
            as_user(0, &[], async || {
                while !started.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
                for _ in 0..500 {
                    let options = ListenOptions::new().mode(0o660).group(FRIENDS);
                    drop(options.listen(&Address::unix(&path).unwrap()).await.unwrap());
                }
                ended.store(true, Ordering::Relaxed);
            });
        });
        assert_eq!(connected.into_inner(), 0);
    });
}

#[test]
fn a_directory_that_is_created_has_the_group() {
    run("a_directory_that_is_created_has_the_group", || async {
        let Some(place) = place("a_directory_that_is_created_has_the_group") else { return };
        let wanted = place.path().join("above/wanted");
        let options = ListenOptions::new().create_parent(0o750).mode(0o660).group(FRIENDS);
        let policy = AccessPolicy::dangerous_allow_anyone();
        let listener =
            options.access(policy).listen(&Address::unix(wanted.join("s")).unwrap()).await.unwrap();
        let found = fs::metadata(&wanted).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (0, FRIENDS, 0o750));
        assert_eq!(fs::metadata(wanted.parent().unwrap()).unwrap().gid(), 0);
        for (groups, gets_in) in [(&[FRIENDS][..], true), (&[], false)] {
            let connected = as_user(BOB, groups, async || UnixStream::connect(wanted.join("s")).is_ok());
            assert_eq!(connected, gets_in, "{groups:?}");
        }
        drop(listener);
    });
}
