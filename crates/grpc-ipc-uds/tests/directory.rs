//! The directory of a socket: which ones are refused, and which are created. Tests with a second user are in `users.rs`.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use grpc_ipc_conformance::run;
#[cfg(target_os = "linux")]
use grpc_ipc_conformance::skip;
use grpc_ipc_core::{Address, BindError, ConnectError, Connector as _};
use grpc_ipc_uds::{ConnectOptions, ListenOptions, LocalListener};
use tempfile::TempDir;
use tokio::time::Instant;

fn directory(parent: &Path, name: &str, mode: u32) -> PathBuf {
    let directory = parent.join(name);
    fs::create_dir(&directory).unwrap();
    set_mode(&directory, mode);
    directory
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

async fn listen_with(options: ListenOptions, directory: &Path) -> Result<LocalListener, BindError> {
    options.listen(&Address::unix(directory.join("s")).unwrap()).await
}

async fn listen_in(directory: &Path) -> Result<LocalListener, BindError> {
    listen_with(ListenOptions::new(), directory).await
}

/// Checks that `directory` is refused because of `unsafe_one` and `problem`, and accepted when that is allowed.
async fn refused(directory: &Path, unsafe_one: &Path, expected: &str) {
    match listen_in(directory).await {
        Err(BindError::UnsafeParent { parent, problem, .. }) => {
            assert_eq!((parent.as_path(), &*problem), (unsafe_one, expected));
        }
        Err(error) => panic!("{}: {error:?}", directory.display()),
        Ok(_) => panic!("listening in {}", directory.display()),
    }
    listen_with(ListenOptions::new().dangerous_allow_unsafe_parent(), directory).await.unwrap();
}

fn temporary() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    // On macOS, the path contains a symbolic link.
    let path = directory.path().canonicalize().unwrap();
    (directory, path)
}

#[test]
fn a_directory_that_everyone_may_write_to_needs_the_sticky_bit() {
    run("a_directory_that_everyone_may_write_to_needs_the_sticky_bit", || async {
        let (_directory, root) = temporary();
        let open = directory(&root, "open", 0o777);
        refused(&open, &open, "can be written to by everyone (mode 0777)").await;
        set_mode(&open, 0o702);
        refused(&open, &open, "can be written to by everyone (mode 0702)").await;
        for mode in [0o700, 0o755, 0o1777] {
            set_mode(&open, mode);
            listen_in(&open).await.unwrap();
        }
    });
}

#[test]
fn the_directories_above_it_count_as_well() {
    run("the_directories_above_it_count_as_well", || async {
        let (_directory, root) = temporary();
        let open = directory(&root, "open", 0o777);
        let below = directory(&directory(&open, "between", 0o755), "below", 0o700);
        refused(&below, &open, "can be written to by everyone (mode 0777)").await;
        // Also where a symbolic link or `..` leads through it.
        let way = root.join("way");
        symlink(&below, &way).unwrap();
        refused(&way, &open, "can be written to by everyone (mode 0777)").await;
        let aside = directory(&root, "aside", 0o700);
        symlink(&aside, open.join("there")).unwrap();
        refused(&open.join("there"), &open, "can be written to by everyone (mode 0777)").await;
        refused(&open.join("between/../../aside"), &open, "can be written to by everyone (mode 0777)").await;
        set_mode(&open, 0o1777);
        listen_in(&way).await.unwrap();
        listen_in(&open.join("there")).await.unwrap();
    });
}

#[test]
fn the_message_says_what_would_be_right() {
    run("the_message_says_what_would_be_right", || async {
        let (_directory, root) = temporary();
        let open = directory(&root, "open", 0o777);
        let error = listen_in(&open).await.err().unwrap();
        let path = open.display();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen on unix:{path}/s: {path} can be written to by everyone (mode 0777), so others could \
                 replace this server with their own; use a directory that belongs to this user or to root and that \
                 nobody else may write to (mode 0755), or one with the sticky bit (1777)"
            )
        );
    });
}

#[test]
fn nothing_is_left_in_a_directory_that_is_refused() {
    run("nothing_is_left_in_a_directory_that_is_refused", || async {
        let (_directory, root) = temporary();
        let open = directory(&root, "open", 0o777);
        listen_in(&open).await.err().unwrap();
        assert_eq!(fs::read_dir(&open).unwrap().count(), 0);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn an_access_control_list_that_grants_writing_is_seen() {
    let test = "an_access_control_list_that_grants_writing_is_seen";
    run(test, || async {
        let (_directory, root) = temporary();
        let listed = directory(&root, "listed", 0o755);
        let set = |entry: &str| {
            let output = Command::new("setfacl").args(["-m", entry]).arg(&listed).output();
            output.is_ok_and(|output| output.status.success())
        };
        if Command::new("setfacl").arg("--version").output().is_err() {
            return skip(test, "setfacl is missing; run `cargo xtask setup`");
        }
        if !set("u:471102:rx") {
            return skip(test, "the file system has no access control lists");
        }
        listen_in(&listed).await.unwrap();
        assert!(set("u:471102:rwx"));
        let problem = "can be written to by users or groups in its access control list (mode 0775)";
        refused(&listed, &listed, problem).await;
        // The mask revokes it.
        set_mode(&listed, 0o755);
        listen_in(&listed).await.unwrap();
    });
}

#[test]
fn a_missing_directory_is_created_on_request() {
    run("a_missing_directory_is_created_on_request", || async {
        let (_directory, root) = temporary();
        let wanted = root.join("a/b/c");
        let error = listen_in(&wanted).await.err().unwrap();
        assert!(matches!(&error, BindError::NoParent { parent, .. } if *parent == wanted), "{error:?}");
        assert!(!root.join("a").exists());

        listen_with(ListenOptions::new().create_parent(0o750), &wanted).await.unwrap();
        assert_eq!(mode_of(&wanted), 0o750, "and it stays when the listener is dropped");
        // An existing directory is not changed.
        set_mode(&wanted, 0o711);
        let _listener = listen_with(ListenOptions::new().create_parent(0o750), &wanted).await.unwrap();
        assert_eq!(mode_of(&wanted), 0o711);

        let open = root.join("open");
        let error = listen_with(ListenOptions::new().create_parent(0o777), &open).await.err().unwrap();
        assert!(matches!(&error, BindError::UnsafeParent { parent, .. } if *parent == open), "{error:?}");
        let file = root.join("file");
        fs::write(&file, "precious").unwrap();
        let error =
            listen_with(ListenOptions::new().create_parent(0o700), &file.join("d")).await.err().unwrap();
        assert!(matches!(error, BindError::NoParent { .. }), "{error:?}");
    });
}

#[test]
fn symbolic_links_that_lead_nowhere_end() {
    run("symbolic_links_that_lead_nowhere_end", || async {
        let (_directory, root) = temporary();
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        let error = listen_in(&root.join("a")).await.err().unwrap();
        assert!(matches!(error, BindError::Io { .. }), "{error:?}");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "too many symbolic links");
    });
}

#[test]
fn a_client_follows_no_link_at_the_end_of_the_path() {
    run("a_client_follows_no_link_at_the_end_of_the_path", || async {
        let (_directory, root) = temporary();
        let _listener = listen_in(&root).await.unwrap();
        let connect = async |path: PathBuf| {
            ConnectOptions::new().connector(&Address::unix(path).unwrap()).connect(Instant::now()).await
        };
        connect(root.join("s")).await.unwrap();
        let link = root.join("link");
        symlink("s", &link).unwrap();
        let error = connect(link.clone()).await.unwrap_err();
        assert!(matches!(error, ConnectError::NotASocket { found: "a symbolic link", .. }), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!(
                "cannot connect to unix:{}: a symbolic link is at this path, not a socket; connect to the link's \
                 target, or let the client follow links (follow_symlinks)",
                link.display()
            )
        );
        // Links before the last component are followed.
        symlink(&root, root.join("way")).unwrap();
        connect(root.join("way/s")).await.unwrap();
        fs::remove_file(&link).unwrap();
        symlink("nothing", &link).unwrap();
        assert!(matches!(connect(link).await, Err(ConnectError::NotASocket { .. })));
    });
}

#[test]
fn a_client_can_be_told_to_follow_links() {
    run("a_client_can_be_told_to_follow_links", || async {
        let (_directory, root) = temporary();
        let _listener = listen_in(&root).await.unwrap();
        let connect = async |path: PathBuf| {
            let options = ConnectOptions::new().follow_symlinks(true);
            options.connector(&Address::unix(path).unwrap()).connect(Instant::now()).await
        };
        connect(root.join("s")).await.unwrap();
        symlink(root.join("s"), root.join("absolute")).unwrap();
        connect(root.join("absolute")).await.unwrap();
        // Relative to where each link is, not to where its path was given.
        let below = directory(&root, "below", 0o755);
        symlink("../absolute", below.join("chain")).unwrap();
        symlink(&below, root.join("way")).unwrap();
        connect(root.join("way/chain")).await.unwrap();
        symlink("nothing", root.join("dangling")).unwrap();
        let error = connect(root.join("dangling")).await.unwrap_err();
        assert!(matches!(error, ConnectError::NotFound { .. }), "{error:?}");
        symlink("circle", root.join("circle")).unwrap();
        let error = connect(root.join("circle")).await.unwrap_err();
        assert!(matches!(error, ConnectError::NotASocket { .. }), "{error:?}");
        fs::write(root.join("file"), "").unwrap();
        symlink("file", root.join("link")).unwrap();
        let error = connect(root.join("link")).await.unwrap_err();
        assert!(matches!(error, ConnectError::NotASocket { found: "a regular file", .. }), "{error:?}");
    });
}

#[test]
fn what_is_at_the_path_of_the_lock_file_is_left_alone() {
    run("what_is_at_the_path_of_the_lock_file_is_left_alone", || async {
        let (_directory, root) = temporary();
        let (precious, lock) = (root.join("precious"), root.join("s.lock"));
        fs::write(&precious, "precious").unwrap();
        let in_the_way = async |expected: &str| match listen_in(&root).await {
            Err(BindError::InTheWay { path, problem, .. }) => {
                assert_eq!(path, lock);
                assert!(problem.starts_with(expected), "{problem}");
            }
            Err(error) => panic!("{error:?}"),
            Ok(_) => panic!("listening in spite of {expected}"),
        };
        symlink(&precious, &lock).unwrap();
        in_the_way("is a symbolic link, but must be the lock file").await;
        fs::remove_file(&lock).unwrap();
        symlink("nothing", &lock).unwrap();
        in_the_way("is a symbolic link, but must be the lock file").await;
        assert!(!root.join("nothing").exists());
        fs::remove_file(&lock).unwrap();
        fs::hard_link(&precious, &lock).unwrap();
        in_the_way("is a hard link to another file").await;
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        in_the_way("is a directory").await;
        fs::remove_dir(&lock).unwrap();
        assert!(Command::new("mkfifo").arg(&lock).status().unwrap().success());
        in_the_way("is a device or a named pipe (FIFO)").await;
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
        assert_eq!(fs::metadata(&precious).unwrap().nlink(), 1);
    });
}
