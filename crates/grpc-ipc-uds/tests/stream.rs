//! When tasks that read or write are woken. Nothing is lost when a write waits for room.
#![cfg(unix)]

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use grpc_ipc_conformance::run;
use grpc_ipc_core::{Address, Connection as _, Connector as _, Listener as _};
use grpc_ipc_uds::{ConnectOptions, ListenOptions, LocalStream};
use tempfile::TempDir;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};
use tokio::time::Instant;

/// More than any socket buffers.
const LARGE: usize = 8 << 20;

/// Both ends of a connection.
async fn pair() -> (LocalStream, LocalStream) {
    let directory = TempDir::new().unwrap();
    let address = Address::unix(directory.path().join("s")).unwrap();
    let mut listener = ListenOptions::new().listen(&address).await.unwrap();
    let connector = ConnectOptions::new().connector(&address);
    let (client, server) = tokio::join!(connector.connect(Instant::now()), listener.accept());
    (client.unwrap(), server)
}

/// On Linux, connect(2) connects a Unix socket at once, or not at all.
#[cfg(target_os = "linux")]
#[test]
fn a_client_is_connected_without_waiting_for_the_runtime() {
    run("a_client_is_connected_without_waiting_for_the_runtime", || async {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("s");
        for address in
            [Address::unix(&path).unwrap(), Address::unix_abstract(path.to_str().unwrap()).unwrap()]
        {
            let _listener = ListenOptions::new().listen(&address).await.unwrap();
            let connector = ConnectOptions::new().connector(&address);
            let mut connect = std::pin::pin!(connector.connect(Instant::now()));
            let (wakes, waker) = Wakes::new();
            let connected = connect.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(matches!(connected, Poll::Ready(Ok(_))), "{address}: {connected:?}");
            assert_eq!(wakes.count(), 0, "{address}");
        }
    });
}

/// Counts how often a task would be polled.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wakes {
    fn new() -> (Arc<Self>, Waker) {
        let wakes = Arc::new(Self::default());
        (Arc::clone(&wakes), Waker::from(wakes))
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn read(stream: &mut LocalStream, waker: &Waker) -> Poll<io::Result<usize>> {
    let mut bytes = [0; 64];
    let mut buf = ReadBuf::new(&mut bytes);
    let read = Pin::new(stream).poll_read(&mut Context::from_waker(waker), &mut buf);
    read.map_ok(|()| buf.filled().len())
}

fn write(stream: &mut LocalStream, waker: &Waker, length: usize) -> Poll<io::Result<usize>> {
    Pin::new(stream).poll_write(&mut Context::from_waker(waker), &vec![b'x'; length])
}

/// The number of bytes that were read or written at once.
fn length(done: Poll<io::Result<usize>>) -> usize {
    match done {
        Poll::Ready(done) => done.unwrap(),
        Poll::Pending => panic!("it waits"),
    }
}

/// Writes until there is no more room; returns how much was written.
fn fill(stream: &mut LocalStream, waker: &Waker) -> usize {
    let mut written = 0;
    while let Poll::Ready(more) = write(stream, waker, 64 * 1024) {
        written += more.unwrap();
    }
    written
}

/// Lets the runtime process all events of the system: a later event is reported only after the earlier ones.
async fn hear_all() {
    let (mut one, mut other) = tokio::net::UnixStream::pair().unwrap();
    for _ in 0..3 {
        one.write_all(b"x").await.unwrap();
        other.read_exact(&mut [0]).await.unwrap();
    }
}

/// Reads and writes once at each end, as a call does.
#[cfg(target_os = "linux")]
async fn call(client: &mut LocalStream, server: &mut LocalStream) {
    client.write_all(b"message").await.unwrap();
    server.read_exact(&mut [0; 7]).await.unwrap();
    server.write_all(b"message").await.unwrap();
    client.read_exact(&mut [0; 7]).await.unwrap();
}

/// The events that the system reports to the runtime for a socket.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Readable,
    ReadableAndWritable,
}

/// As the runtime's epoll(7) shows it in /proc/self/fdinfo. The runtime has several epoll descriptors.
#[cfg(target_os = "linux")]
fn told(stream: &LocalStream) -> Told {
    use std::os::fd::{AsFd as _, AsRawFd as _};

    let socket = stream.get_ref().as_fd().as_raw_fd().to_string();
    let descriptors = std::fs::read_dir("/proc/self/fdinfo").unwrap();
    // Other tests open and close descriptors.
    let shown = descriptors.filter_map(|info| std::fs::read_to_string(info.ok()?.path()).ok());
    let told = shown.filter_map(|info| {
        info.lines().find_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["tfd:", number, "events:", events, ..] if number == socket => {
                let events = u32::from_str_radix(events, 16).unwrap();
                assert_ne!(events & libc::EPOLLIN as u32, 0);
                Some(if events & libc::EPOLLOUT as u32 == 0 {
                    Told::Readable
                } else {
                    Told::ReadableAndWritable
                })
            }
            _ => None,
        })
    });
    let told: Vec<_> = told.collect();
    assert!(!told.is_empty() && told.iter().all(|one| one == &told[0]), "{told:?}");
    told[0]
}

#[cfg(target_os = "linux")]
#[test]
fn the_runtime_is_woken_for_room_only_while_a_write_waits_for_it() {
    run("the_runtime_is_woken_for_room_only_while_a_write_waits_for_it", || async {
        let (mut client, mut server) = pair().await;
        assert_eq!((told(&client), told(&server)), (Told::Readable, Told::Readable));
        call(&mut client, &mut server).await;
        assert_eq!((told(&client), told(&server)), (Told::Readable, Told::Readable));

        let written = fill(&mut client, Waker::noop());
        assert_eq!(told(&client), Told::ReadableAndWritable);
        server.read_exact(&mut vec![0; written]).await.unwrap();
        // A busy writer does not cause a new registration for each write, but one follows soon.
        call(&mut client, &mut server).await;
        assert_eq!(told(&client), Told::ReadableAndWritable);
        for _ in 0..16 {
            call(&mut client, &mut server).await;
        }
        assert_eq!((told(&client), told(&server)), (Told::Readable, Told::Readable));
    });
}

/// Each change of the registration forgets the waiting tasks.
#[test]
fn who_waits_to_read_hears_what_comes_while_a_write_waits_and_afterwards() {
    run("who_waits_to_read_hears_what_comes_while_a_write_waits_and_afterwards", || async {
        let (mut client, mut server) = pair().await;
        let (wakes, waker) = Wakes::new();
        // The number of wakes at the last poll. The task is polled again only if it has been woken since.
        let polled = Cell::new(None);
        let waits = |client: &mut LocalStream| {
            while polled.replace(Some(wakes.count())) != Some(wakes.count()) {
                assert!(read(client, &waker).is_pending());
            }
        };
        let hears = async |client: &mut LocalStream, server: &mut LocalStream| {
            server.write_all(b"message").await.unwrap();
            while polled.get() == Some(wakes.count()) {
                tokio::task::yield_now().await;
            }
            assert!(matches!(read(client, &waker), Poll::Ready(Ok(7))));
            polled.set(None);
        };
        waits(&mut client);
        let written = fill(&mut client, Waker::noop());
        waits(&mut client);
        hears(&mut client, &mut server).await;

        waits(&mut client);
        server.read_exact(&mut vec![0; written]).await.unwrap();
        for _ in 0..20 {
            client.write_all(b"message").await.unwrap();
            server.read_exact(&mut [0; 7]).await.unwrap();
        }
        waits(&mut client);
        hears(&mut client, &mut server).await;
    });
}

/// A busy-polling task polls again and again.
#[test]
fn whoever_asks_again_reads_before_the_runtime_tells() {
    run("whoever_asks_again_reads_before_the_runtime_tells", || async {
        let (mut client, mut server) = pair().await;
        assert!(client.reads_at_once() && server.reads_at_once());
        let (wakes, waker) = Wakes::new();
        for _ in 0..2 {
            assert!(read(&mut client, &waker).is_pending());
        }
        let asleep = wakes.count();
        assert_eq!(length(write(&mut server, &waker, 5)), 5);
        // No other task has run since then.
        assert_eq!(length(read(&mut client, &waker)), 5);
        assert!(read(&mut client, &waker).is_pending());
        hear_all().await;
        if wakes.count() > asleep {
            // Another thread had seen the data before it was read. A task that is woken reads again.
            assert!(read(&mut client, &waker).is_pending());
        }
        let before = wakes.count();
        assert_eq!(length(write(&mut server, &waker, 7)), 7);
        hear_all().await;
        assert!(wakes.count() > before, "later data is reported too");
        assert_eq!(length(read(&mut client, &waker)), 7);
    });
}

#[test]
fn a_reader_is_not_woken_when_the_peer_reads() {
    run("a_reader_is_not_woken_when_the_peer_reads", || async {
        let (mut client, mut server) = pair().await;
        let (wakes, waker) = Wakes::new();
        assert!(read(&mut client, &waker).is_pending());
        for _ in 0..20 {
            client.write_all(b"message").await.unwrap();
            server.read_exact(&mut [0; 7]).await.unwrap();
        }
        hear_all().await;
        assert_eq!(wakes.count(), 0);
    });
}

#[test]
fn a_write_that_waits_goes_on_when_the_peer_reads() {
    run("a_write_that_waits_goes_on_when_the_peer_reads", || async {
        let (mut client, mut server) = pair().await;
        let (wakes, waker) = Wakes::new();
        let written = fill(&mut client, &waker);
        hear_all().await;
        assert_eq!(wakes.count(), 0, "nothing has been read");
        server.read_exact(&mut vec![0; written]).await.unwrap();
        while wakes.count() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(write(&mut client, &waker, 7), Poll::Ready(Ok(7))));
    });
}

/// Reader and writer of each end are separate tasks.
#[test]
fn much_passes_in_both_directions_at_once() {
    run("much_passes_in_both_directions_at_once", || async {
        let (client, server) = pair().await;
        let mut tasks = Vec::new();
        for end in [client, server] {
            let (mut reader, mut writer) = tokio::io::split(end);
            tasks.push(tokio::spawn(async move {
                let sent: Vec<u8> = (0..LARGE).map(|number| (number % 251) as u8).collect();
                writer.write_all(&sent).await.unwrap();
                writer.shutdown().await.unwrap();
            }));
            tasks.push(tokio::spawn(async move {
                let mut received = Vec::new();
                reader.read_to_end(&mut received).await.unwrap();
                assert_eq!(received.len(), LARGE);
                assert!(received.iter().enumerate().all(|(number, byte)| *byte == (number % 251) as u8));
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_write_that_waits_fails_when_the_peer_closes() {
    run("a_write_that_waits_fails_when_the_peer_closes", || async {
        let (mut client, server) = pair().await;
        let (wakes, waker) = Wakes::new();
        fill(&mut client, &waker);
        drop(server);
        while wakes.count() == 0 {
            tokio::task::yield_now().await;
        }
        let error = poll_fn(|cx| Pin::new(&mut client).poll_write(cx, b"x")).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn who_waits_to_read_hears_that_the_peer_closes() {
    run("who_waits_to_read_hears_that_the_peer_closes", || async {
        for half in [true, false] {
            let (mut client, mut server) = pair().await;
            let (wakes, waker) = Wakes::new();
            assert!(read(&mut client, &waker).is_pending());
            server.shutdown().await.unwrap();
            if half {
                client.write_all(b"message").await.unwrap();
                server.read_exact(&mut [0; 7]).await.unwrap();
            } else {
                drop(server);
            }
            while wakes.count() == 0 {
                tokio::task::yield_now().await;
            }
            assert!(matches!(read(&mut client, &waker), Poll::Ready(Ok(0))));
        }
    });
}

/// A read that does not fill the buffer has read everything, unless the peer has closed.
#[test]
fn the_end_is_read_after_the_last_bytes() {
    run("the_end_is_read_after_the_last_bytes", || async {
        let (mut client, mut server) = pair().await;
        server.write_all(&[b'x'; 150]).await.unwrap();
        drop(server);
        let mut lengths = Vec::new();
        while lengths.last() != Some(&0) {
            lengths.push(client.read(&mut [0; 64]).await.unwrap());
        }
        assert_eq!(lengths, [64, 64, 22, 0]);
    });
}

/// As executors other than tokio's do.
#[test]
fn a_write_may_wait_on_a_thread_without_a_runtime() {
    run("a_write_may_wait_on_a_thread_without_a_runtime", || async {
        let (mut client, mut server) = pair().await;
        let (wakes, waker) = Wakes::new();
        let there = std::thread::spawn(move || {
            let written = fill(&mut client, &waker);
            (client, written)
        });
        let (_client, written) = there.join().unwrap();
        server.read_exact(&mut vec![0; written]).await.unwrap();
        while wakes.count() == 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_task_that_only_reads_lets_others_have_their_turn() {
    run("a_task_that_only_reads_lets_others_have_their_turn", || async {
        let (mut client, server) = pair().await;
        let (_, waker) = Wakes::new();
        // From now on, it is polled outside of the runtime.
        assert!(read(&mut client, &waker).is_pending());
        let mut reads = 0;
        loop {
            rustix::net::send(server.get_ref(), &[0; 8], rustix::net::SendFlags::empty()).unwrap();
            // The first poll may wait for the runtime, which still has an earlier event to report.
            if read(&mut client, &waker).is_pending() && read(&mut client, &waker).is_pending() {
                break;
            }
            reads += 1;
            assert!(reads < 1000);
        }
        assert!(reads > 10, "{reads}");
    });
}

#[test]
fn a_task_that_only_writes_lets_others_have_their_turn() {
    run("a_task_that_only_writes_lets_others_have_their_turn", || async {
        let (mut client, server) = pair().await;
        let (wakes, waker) = Wakes::new();
        let mut writes = 0;
        while write(&mut client, &waker, 1).is_ready() {
            rustix::net::recv(server.get_ref(), &mut [0; 8], rustix::net::RecvFlags::empty()).unwrap();
            writes += 1;
            assert!(writes < 1000);
        }
        assert_eq!(wakes.count(), 1);
    });
}
