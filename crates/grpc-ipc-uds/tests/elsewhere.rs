//! Sockets from other sources.
#![cfg(unix)]

use std::fs::File;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use grpc_ipc_conformance::run;
use grpc_ipc_core::{Connection as _, GroupId, UserId};
use grpc_ipc_uds::{LocalStream, peer_of};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::process::{getegid, geteuid, getgroups};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The first end of a new pair.
fn one_end() -> OwnedFd {
    let (first, second) = UnixStream::pair().unwrap();
    // Keeps the peer alive.
    std::mem::forget(second);
    first.into()
}

#[test]
fn a_socketpair_is_two_connections() {
    run("a_socketpair_is_two_connections", || async {
        let (first, second) = UnixStream::pair().unwrap();
        let mut first = LocalStream::try_from(first).unwrap();
        let second = tokio::net::UnixStream::from_std({
            second.set_nonblocking(true).unwrap();
            second
        });
        let mut second = LocalStream::try_from(second.unwrap()).unwrap();
        first.write_all(b"there").await.unwrap();
        second.write_all(b"back").await.unwrap();
        let mut bytes = [0; 5];
        second.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"there");
        first.read_exact(&mut bytes[..4]).await.unwrap();
        assert_eq!(&bytes[..4], b"back");
        assert!(first.reads_at_once());
        drop(second);
        assert_eq!(first.read(&mut bytes).await.unwrap(), 0, "the other end is closed");
    });
}

/// The same facts as for a client that a listener has accepted.
#[test]
fn the_peer_of_a_socketpair_is_its_maker() {
    run("the_peer_of_a_socketpair_is_its_maker", || async {
        let (first, _second) = UnixStream::pair().unwrap();
        let asked = peer_of(&first).unwrap();
        let stream = LocalStream::try_from(first).unwrap();
        for peer in [&asked, stream.peer()] {
            assert_eq!(peer.transport(), "unix");
            assert_eq!(peer.pid(), Some(std::process::id()));
            assert_eq!(peer.user(), Some(&UserId::Uid(geteuid().as_raw())));
            assert_eq!(peer.group(), Some(&GroupId::Gid(getegid().as_raw())));
            assert!(peer.is_same_user());
        }
        if cfg!(target_os = "linux") {
            let own: Vec<_> =
                getgroups().unwrap().into_iter().map(|group| GroupId::Gid(group.as_raw())).collect();
            assert_eq!(asked.groups(), Some(own.as_slice()));
            let process = |peer: &grpc_ipc_core::Peer| peer.process().and_then(|process| process.id());
            assert_eq!(process(&asked), process(stream.peer()));
            drop(stream);
            assert_eq!(process(&asked).unwrap_or_else(std::process::id), std::process::id());
        }
    });
}

#[test]
fn an_inherited_descriptor_goes_no_further_and_does_not_block() {
    run("an_inherited_descriptor_goes_no_further_and_does_not_block", || async {
        let inherited = one_end();
        fcntl_setfd(&inherited, FdFlags::empty()).unwrap();
        let stream = LocalStream::try_from(inherited).unwrap();
        assert_eq!(fcntl_getfd(stream.get_ref()).unwrap(), FdFlags::CLOEXEC);
        let flags = rustix::fs::fcntl_getfl(stream.get_ref()).unwrap();
        assert!(flags.contains(rustix::fs::OFlags::NONBLOCK));
    });
}

#[test]
fn what_is_no_connected_stream_socket_is_refused() {
    run("what_is_no_connected_stream_socket_is_refused", || async {
        let directory = TempDir::new().unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let unconnected =
            rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None);
        let (packets, _other) = rustix::net::socketpair(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::SEQPACKET,
            rustix::net::SocketFlags::empty(),
            None,
        )
        .unwrap();
        let descriptors: [(OwnedFd, &str); 8] = [
            (File::create(directory.path().join("f")).unwrap().into(), "a regular file"),
            (File::open(directory.path()).unwrap().into(), "a directory"),
            (io::pipe().unwrap().0.into(), "a device or a named pipe (FIFO)"),
            (TcpStream::connect(tcp.local_addr().unwrap()).unwrap().into(), "an Internet socket"),
            (UnixDatagram::pair().unwrap().0.into(), "a datagram socket"),
            (packets, "a sequenced-packet socket (SOCK_SEQPACKET)"),
            (
                UnixListener::bind(directory.path().join("s")).unwrap().into(),
                "a listening Unix domain socket",
            ),
            (unconnected.unwrap(), "a Unix domain socket that is neither listening nor connected"),
        ];
        for (descriptor, found) in descriptors {
            let asked = peer_of(&descriptor.as_fd()).unwrap_err();
            let taken = LocalStream::try_from(descriptor).unwrap_err();
            for error in [asked, taken] {
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                let text = error.to_string();
                assert!(text.contains(&format!(" is {found}, expected a connected Unix")), "{text}");
            }
        }
    });
}
