//! A server whose files are removed while it runs. The clock is paused: it advances to the next moment
//! that a task waits for, once no task has anything else to do.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use grpc_ipc_conformance::{LIMIT, Watchdog};
use grpc_ipc_core::{Address, BindError, Connector as _, Listener as _};
use grpc_ipc_uds::{ConnectOptions, ListenOptions, LocalListener, LocalStream};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, sleep};

/// Runs `test` with its path and with what is logged.
fn run(name: &str, test: impl AsyncFnOnce(Place)) {
    let _watchdog = Watchdog::start(name, LIMIT);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let directory = TempDir::new().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        runtime.unwrap().block_on(test(Place { root, _directory: directory, log }));
    });
}

struct Place {
    root: PathBuf,
    _directory: TempDir,
    log: Log,
}

impl Place {
    /// In its own directory, which can be removed.
    fn socket(&self) -> PathBuf {
        let directory = self.root.join("d");
        if !directory.exists() {
            make(&directory);
        }
        directory.join("s")
    }

    fn logged(&self) -> Vec<String> {
        let logged = String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap();
        logged.lines().map(str::to_owned).collect()
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn make(directory: &Path) {
    fs::create_dir(directory).unwrap();
    fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
}

fn lock(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

fn count(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

async fn listen(options: ListenOptions, path: &Path) -> Result<LocalListener, BindError> {
    options.listen(&Address::unix(path).unwrap()).await
}

/// A server that sends its number to each client, and echoes bytes. Aborting the task drops it.
async fn serve(number: u8, options: ListenOptions, path: &Path) -> JoinHandle<()> {
    let mut listener = listen(options, path).await.unwrap();
    tokio::spawn(async move {
        loop {
            let connection = listener.accept().await;
            tokio::spawn(answer(number, connection));
        }
    })
}

async fn answer(number: u8, mut connection: LocalStream) -> io::Result<()> {
    connection.write_u8(number).await?;
    loop {
        let byte = connection.read_u8().await?;
        connection.write_u8(byte).await?;
    }
}

async fn stop(server: JoinHandle<()>) {
    server.abort();
    assert!(server.await.unwrap_err().is_cancelled());
}

/// The connection, and the number of the server at its other end.
async fn connect(path: &Path) -> Option<(LocalStream, u8)> {
    let connector = ConnectOptions::new().connector(&Address::unix(path).unwrap());
    let mut stream = connector.connect(Instant::now()).await.ok()?;
    let number = stream.read_u8().await.ok()?;
    Some((stream, number))
}

/// Waits until a client reaches the server `number`.
async fn reached(number: u8, path: &Path) {
    while connect(path).await.is_none_or(|(_, found)| found != number) {
        sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until `path` exists.
async fn there(path: &Path) {
    while !path.exists() {
        sleep(Duration::from_millis(10)).await;
    }
}

/// Waits longer than any pause of a server.
async fn long() {
    sleep(Duration::from_secs(30)).await;
}

#[test]
fn a_server_whose_socket_is_removed_is_reached_again() {
    run("a_server_whose_socket_is_removed_is_reached_again", async |place| {
        let path = place.socket();
        let server = serve(1, ListenOptions::new().mode(0o640), &path).await;
        let (mut before, _) = connect(&path).await.unwrap();
        for times in 1..=5 {
            fs::remove_file(&path).unwrap();
            reached(1, &path).await;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
            before.write_u8(7).await.unwrap();
            assert_eq!(before.read_u8().await.unwrap(), 7, "an existing connection continues");
            let logged = place.logged();
            assert_eq!(logged.len(), times, "{logged:?}");
            assert!(logged[times - 1].contains("WARN") && logged[times - 1].contains("created them again"));
        }
        stop(server).await;
        assert_eq!(count(&place.root.join("d")), 0, "nothing is left");
    });
}

#[test]
fn a_lock_that_is_removed_lets_no_second_server_start() {
    run("a_lock_that_is_removed_lets_no_second_server_start", async |place| {
        let path = place.socket();
        let server = serve(1, ListenOptions::new(), &path).await;
        let (mut before, _) = connect(&path).await.unwrap();
        fs::remove_file(lock(&path)).unwrap();
        let error = listen(ListenOptions::new(), &path).await.err().unwrap();
        assert!(matches!(error, BindError::InUse { .. }), "{error:?}");
        there(&lock(&path)).await;
        fs::remove_file(&path).unwrap();
        let error = listen(ListenOptions::new(), &path).await.err().unwrap();
        assert!(matches!(error, BindError::InUse { .. }), "by its lock: {error:?}");
        reached(1, &path).await;
        before.write_u8(7).await.unwrap();
        assert_eq!(before.read_u8().await.unwrap(), 7);
        stop(server).await;
        assert_eq!(count(&place.root.join("d")), 0, "nothing is left");
    });
}

#[test]
fn a_server_whose_directory_is_removed_comes_back_with_it() {
    run("a_server_whose_directory_is_removed_comes_back_with_it", async |place| {
        let path = place.socket();
        let server = serve(1, ListenOptions::new(), &path).await;
        // The server creates no files while the directory is being removed.
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        long().await;
        let logged = place.logged();
        assert_eq!(logged.len(), 1, "however often it tries: {logged:?}");
        assert!(
            logged[0].contains("keeps trying") && logged[0].contains("is not an existing directory"),
            "{logged:?}"
        );
        make(path.parent().unwrap());
        reached(1, &path).await;
        assert_eq!(place.logged().len(), 2);
        // A directory that others can write to is refused, as at startup.
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        make(path.parent().unwrap());
        fs::set_permissions(path.parent().unwrap(), Permissions::from_mode(0o777)).unwrap();
        long().await;
        assert_eq!(count(path.parent().unwrap()), 0);
        assert!(place.logged()[2].contains("can be written to by everyone"), "{:?}", place.logged());
        fs::set_permissions(path.parent().unwrap(), Permissions::from_mode(0o755)).unwrap();
        reached(1, &path).await;
        stop(server).await;
        assert_eq!(count(path.parent().unwrap()), 0, "nothing is left");
    });
}

#[test]
fn a_directory_that_the_server_may_create_is_created_again() {
    run("a_directory_that_the_server_may_create_is_created_again", async |place| {
        let path = place.root.join("made/s");
        let server = serve(1, ListenOptions::new().create_parent(0o711), &path).await;
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        reached(1, &path).await;
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o7777, 0o711);
        stop(server).await;
    });
}

#[test]
fn a_server_whose_directory_is_renamed_is_reached_in_the_new_one() {
    run("a_server_whose_directory_is_renamed_is_reached_in_the_new_one", async |place| {
        let path = place.socket();
        let server = serve(1, ListenOptions::new(), &path).await;
        let (directory, renamed) = (path.parent().unwrap(), place.root.join("renamed"));
        fs::rename(directory, &renamed).unwrap();
        make(directory);
        reached(1, &path).await;
        assert_eq!(count(&renamed), 0, "the file that it left there is removed");
        stop(server).await;
        assert_eq!(count(directory), 0, "nothing is left");
    });
}

#[test]
fn the_server_of_somebody_else_is_not_fought() {
    run("the_server_of_somebody_else_is_not_fought", async |place| {
        let path = place.socket();
        let server = serve(1, ListenOptions::new(), &path).await;
        // A server that does not use the lock.
        fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        long().await;
        let logged = place.logged();
        assert_eq!(logged.len(), 1, "{logged:?}");
        assert!(logged[0].contains("is already in use by unix:uid="), "{logged:?}");
        other.set_nonblocking(true).unwrap();
        let mut asked = 0;
        while other.accept().is_ok() {
            asked += 1;
        }
        assert!((1..20).contains(&asked), "asked {asked} times whether it is there");
        // It leaves the file of a dead server.
        drop(other);
        reached(1, &path).await;
        stop(server).await;
        assert_eq!(count(&place.root.join("d")), 0, "nothing is left");
    });
}

#[test]
fn a_second_server_that_has_taken_the_path_keeps_it() {
    run("a_second_server_that_has_taken_the_path_keeps_it", async |place| {
        let path = place.socket();
        let first = serve(1, ListenOptions::new(), &path).await;
        fs::remove_file(lock(&path)).unwrap();
        fs::remove_file(&path).unwrap();
        let second = serve(2, ListenOptions::new(), &path).await;
        long().await;
        reached(2, &path).await;
        assert_eq!(place.logged().len(), 1, "{:?}", place.logged());
        stop(second).await;
        reached(1, &path).await;
        stop(first).await;
        assert_eq!(count(&place.root.join("d")), 0, "nothing is left");
    });
}

#[test]
fn what_is_put_in_the_place_of_the_socket_is_left_alone() {
    run("what_is_put_in_the_place_of_the_socket_is_left_alone", async |place| {
        let path = place.socket();
        let server = serve(1, ListenOptions::new(), &path).await;
        fs::write(path.with_extension("new"), "precious").unwrap();
        fs::rename(path.with_extension("new"), &path).unwrap();
        long().await;
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
        reached(1, &path).await;
        stop(server).await;
    });
}

/// As a program does that moves files away, and back at once.
#[test]
fn a_socket_that_is_moved_and_moved_back_is_the_same() {
    run("a_socket_that_is_moved_and_moved_back_is_the_same", async |place| {
        let path = place.socket();
        let server = serve(1, ListenOptions::new(), &path).await;
        let found = std::os::unix::fs::MetadataExt::ino(&fs::symlink_metadata(&path).unwrap());
        fs::rename(&path, path.with_extension("moved")).unwrap();
        tokio::task::yield_now().await;
        fs::rename(path.with_extension("moved"), &path).unwrap();
        long().await;
        reached(1, &path).await;
        assert_eq!(std::os::unix::fs::MetadataExt::ino(&fs::symlink_metadata(&path).unwrap()), found);
        assert_eq!(place.logged(), [""; 0]);
        stop(server).await;
    });
}

#[test]
fn who_has_connected_to_a_removed_socket_is_served() {
    run("who_has_connected_to_a_removed_socket_is_served", async |place| {
        let path = place.socket();
        let mut listener = listen(ListenOptions::new(), &path).await.unwrap();
        let connector = ConnectOptions::new().connector(&Address::unix(&path).unwrap());
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(connector.connect(Instant::now()).await.unwrap());
        }
        // They wait to be accepted. There are more of them than the server accepts before it returns to its path.
        fs::remove_file(&path).unwrap();
        let mut servers = Vec::new();
        while servers.len() < 20 {
            servers.push(listener.accept().await);
            sleep(Duration::from_millis(50)).await;
        }
        for (client, server) in clients.iter_mut().zip(&mut servers) {
            client.write_u8(7).await.unwrap();
            assert_eq!(server.read_u8().await.unwrap(), 7);
        }
        tokio::select! {
            _ = listener.accept() => {}
            () = reached_by_anybody(&path) => {}
        }
    });
}

async fn reached_by_anybody(path: &Path) {
    there(path).await;
    let connector = ConnectOptions::new().connector(&Address::unix(path).unwrap());
    _ = connector.connect(Instant::now()).await.unwrap();
}

#[test]
fn a_program_that_removes_the_socket_again_and_again_does_not_fill_the_log() {
    run("a_program_that_removes_the_socket_again_and_again_does_not_fill_the_log", async |place| {
        let path = place.socket();
        let server = serve(1, ListenOptions::new(), &path).await;
        let end = Instant::now() + Duration::from_secs(600);
        while Instant::now() < end {
            _ = fs::remove_file(&path);
            sleep(Duration::from_millis(20)).await;
        }
        let lines = place.logged().len();
        assert!((10..80).contains(&lines), "{lines} lines in ten minutes");
        // Once it has stayed for a minute, the next removal is handled like the first.
        reached(1, &path).await;
        sleep(Duration::from_secs(70)).await;
        fs::remove_file(&path).unwrap();
        let removed = Instant::now();
        reached(1, &path).await;
        assert!(removed.elapsed() < Duration::from_secs(1), "{:?}", removed.elapsed());
        stop(server).await;
    });
}
