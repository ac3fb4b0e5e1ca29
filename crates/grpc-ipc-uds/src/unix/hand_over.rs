//! Hands the listening socket of a server over to its successor.
//!
//! A restartable server listens on a second socket for its successor. When the successor connects, the server sends it
//! three descriptors (SCM_RIGHTS, unix(7)): the listening socket, the lock file, and the second socket. A flock(2) lock
//! belongs to the open file, which both processes then have, so it is never released in between.
//!
//! The old server continues to accept while both have the sockets. The new server reports when it begins to accept.
//! Only then does the old server stop accepting, and it no longer removes the files. If the new process dies before
//! that, nothing has changed.

use std::future::pending;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use grpc_ipc_core::{AccessPolicy, Peer};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{debug, info};

use super::kept_socket::accept;
use super::peer::peer_of;
use super::socket_file::is_gone;
use super::{descriptor, sys};

/// The first bytes from the old server. They identify the version of the protocol.
const GREETING: &[u8; 20] = b"grpc-ipc hand-over 1";
/// Sent by the new server when it accepts. The old server answers when it has stopped accepting.
const ACCEPTING: u8 = b'A';
const STOPPED: u8 = b'S';

/// How long a server may take to send its socket.
const GREETING_LIMIT: Duration = Duration::from_secs(5);
/// How long the old server may take to stop accepting, which is a single step. If the old process is suspended, the new
/// server accepts anyway.
const STOP_LIMIT: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_secs(1);

/// The suffix that the path of the second socket adds to that of the first.
pub(super) const SUFFIX: &str = ".handover";
/// How often a server tries again, and after which pauses, if it finds neither a server to follow nor a free path. The
/// previous server is then about to listen, or about to end.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);
/// The maximum time to try. A server that is handing over to another process does not answer in the meantime.
const LIMIT: Duration = Duration::from_secs(10);

/// The attempts of a server to follow the previous one, or to find its address free.
pub(super) struct Attempts {
    left: u32,
    deadline: Instant,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self { left: ATTEMPTS, deadline: Instant::now() + LIMIT }
    }

    /// Whether this is the last attempt.
    pub(super) fn is_last(&self) -> bool {
        self.left == 0 || Instant::now() >= self.deadline
    }

    /// The deadline for the previous server to send its socket.
    fn greeting_deadline(&self) -> Instant {
        self.deadline.min(Instant::now() + GREETING_LIMIT)
    }

    pub(super) async fn pause(&mut self) {
        self.left = self.left.saturating_sub(1);
        sleep(PAUSE).await;
    }
}

/// Whether a server that ends leaves its files in place because another process may use them.
#[derive(Clone, Debug, Default)]
pub(super) struct Leave(Arc<AtomicU8>);

/// Only this process has the socket.
const OWN: u8 = 0;
/// Another process may have it.
const SHARED: u8 = 1;
/// The socket has been given up, and is no longer handed over.
const CLOSED: u8 = 2;

impl Leave {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst) == SHARED
    }

    /// Called before another process gets the socket. Returns `false` if it is too late.
    fn share(&self) -> bool {
        self.0.compare_exchange(OWN, SHARED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Called before the socket is given up. Returns `false` if another process may have it.
    fn close(&self) -> bool {
        self.0.compare_exchange(OWN, CLOSED, Ordering::SeqCst, Ordering::SeqCst) != Err(SHARED)
    }

    /// Marks the socket as this process's alone.
    fn own(&self) {
        self.0.store(OWN, Ordering::SeqCst);
    }
}

/// The descriptors that one server hands to the next.
pub(super) struct Descriptors {
    /// The socket that listens for clients.
    pub(super) socket: OwnedFd,
    /// The lock file; `None` for abstract sockets.
    pub(super) lock: Option<OwnedFd>,
    /// The socket that listens for the next server.
    pub(super) offers: OwnedFd,
}

/// A server's side of the hand-over to the next process.
pub(super) struct HandOver {
    handed_over: watch::Sender<bool>,
    leave: Leave,
    /// The task that waits for the next server.
    task: Option<JoinHandle<()>>,
    /// The previous server, while it still accepts.
    before: Option<Before>,
}

struct Before {
    stream: UnixStream,
    offers: OwnedFd,
    is_told: bool,
}

impl HandOver {
    /// For the first server.
    pub(super) fn new(leave: Leave) -> Self {
        Self { handed_over: watch::Sender::new(false), leave, task: None, before: None }
    }

    /// For a server that follows another one. Also returns the first two descriptors that it was handed.
    pub(super) fn following(taken: Taken, leave: Leave) -> (Self, OwnedFd, Option<OwnedFd>) {
        let Taken { stream, descriptors: Descriptors { socket, lock, offers } } = taken;
        leave.share();
        let before = Some(Before { stream, offers, is_told: false });
        (Self { handed_over: watch::Sender::new(false), leave, task: None, before }, socket, lock)
    }

    /// Stops handing the socket over. Returns `false` if another process may have it.
    pub(super) fn close(&self) -> bool {
        self.leave.close()
    }

    /// Returns the flag that decides whether the files are left in place.
    pub(super) fn leave(&self) -> Leave {
        self.leave.clone()
    }

    /// Waits until the next process has taken over the socket.
    pub(super) fn handed_over(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut handed_over = self.handed_over.subscribe();
        async move {
            if handed_over.wait_for(|handed_over| *handed_over).await.is_err() {
                // The task ended without a hand-over.
                pending::<()>().await;
            }
        }
    }

    /// Tells the previous server to stop, and waits until it has. If there was one, returns the socket that waits for
    /// the next server, and whether the previous server left everything in place.
    ///
    /// # Cancel safety
    /// If the future is dropped, the next call continues where it stopped.
    pub(super) async fn begin(&mut self) -> Option<(OwnedFd, bool)> {
        let before = self.before.as_mut()?;
        let answered = timeout(STOP_LIMIT, before.stop(&self.leave)).await;
        let before = self.before.take()?;
        self.leave.own();
        info!("took over the socket of the previous server");
        Some((before.offers, matches!(answered, Ok(Ok(())))))
    }

    /// Offers `descriptors` to the next server. Earlier ones have been [withdrawn](Self::withdraw).
    pub(super) fn offer(&mut self, descriptors: Descriptors) -> io::Result<()> {
        let offers = UnixListener::from(descriptors.offers.try_clone()?);
        offers.set_nonblocking(true)?;
        let offers = sys::register(offers, Interest::READABLE)?;
        let (handed_over, leave) = (self.handed_over.clone(), self.leave.clone());
        self.task = Some(tokio::spawn(async move {
            loop {
                match hand_over(&offers, &descriptors, &leave).await {
                    Ok(Some(next)) => {
                        info!(%next, "another process took over the socket");
                        handed_over.send_replace(true);
                        return;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        debug!(%error, "the socket could not be handed over");
                        sleep(RETRY).await;
                    }
                }
            }
        }));
        Ok(())
    }

    /// Whether the next server can get the socket.
    pub(super) fn is_offered(&self) -> bool {
        self.task.as_ref().is_some_and(|task| !task.is_finished())
    }

    /// Whether a process has the socket that has not reported yet that it accepts.
    pub(super) fn is_handing_over(&self) -> bool {
        self.is_offered() && self.leave.is_set()
    }

    /// Takes the offer back, because this server is about to make another one. A server that already has the old socket
    /// does not become the next: it finds that the file is not that of its socket, or gets no answer when it accepts.
    /// Returns `false` if the next server accepts already.
    ///
    /// # Cancel safety
    /// If the future is dropped, the next call continues where it stopped.
    pub(super) async fn withdraw(&mut self) -> bool {
        if let Some(task) = &mut self.task {
            task.abort();
            // Until it has ended, it may send the old socket, or even complete the hand-over.
            _ = task.await;
            self.task = None;
        }
        if *self.handed_over.borrow() {
            return false;
        }
        self.leave.own();
        true
    }
}

impl Drop for HandOver {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Before {
    /// Fails if the server ended without an answer.
    async fn stop(&mut self, leave: &Leave) -> io::Result<()> {
        if !self.is_told {
            write_byte(&self.stream, ACCEPTING).await?;
            self.is_told = true;
            // The previous server receives this, or has ended. The files belong to this server.
            leave.own();
        }
        match read_byte(&self.stream).await? {
            Some(STOPPED) => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Waits for `accepted`. Never completes after the next process has taken over the socket.
///
/// # Cancel safety
/// The same as that of `accepted`.
pub(super) async fn until_handed_over<T>(
    hand_over: Option<&HandOver>,
    accepted: impl Future<Output = T>,
) -> T {
    let handed_over = async {
        match hand_over {
            Some(hand_over) => hand_over.handed_over().await,
            None => pending().await,
        }
    };
    tokio::select! {
        biased;
        () = handed_over => pending().await,
        accepted = accepted => accepted,
    }
}

/// Makes one attempt to hand over the descriptors. Returns the peer once it has reported that it accepts.
async fn hand_over(
    offers: &AsyncFd<UnixListener>,
    descriptors: &Descriptors,
    leave: &Leave,
) -> io::Result<Option<Peer>> {
    let stream = accept(offers).await?;
    let peer = peer_of(&stream)?;
    if !may_follow(&peer).await {
        return Ok(None);
    }
    stream.set_nonblocking(true)?;
    let stream = UnixStream::from_std(stream)?;
    // From here on, another process may have them too.
    if !leave.share() {
        return Ok(None);
    }
    let sent = async {
        send(&stream, descriptors).await?;
        read_byte(&stream).await
    };
    // A peer that disconnects without a report has only looked.
    let Ok(Some(ACCEPTING)) = sent.await else {
        leave.own();
        return Ok(None);
    };
    // The peer accepts, even if it does not receive this.
    _ = write_byte(&stream, STOPPED).await;
    Ok(Some(peer))
}

/// Whether `peer` is this user or root. Nobody else could create a socket that belongs to this server's user.
async fn may_follow(peer: &Peer) -> bool {
    AccessPolicy::same_user_or_system().check(peer).await.is_ok()
}

/// The descriptors that the previous server sent.
pub(super) struct Taken {
    stream: UnixStream,
    descriptors: Descriptors,
}

/// Takes the descriptors from the server that offers them at `path`; `None` if no server does.
pub(super) async fn take(path: &Path, attempts: &Attempts) -> io::Result<Option<Taken>> {
    let stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if is_gone(&error) || error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        Err(error) => return Err(error),
    };
    if !may_follow(&peer_of(&stream)?).await {
        return Ok(None);
    }
    match timeout_at(attempts.greeting_deadline(), receive(&stream)).await {
        Ok(Ok(descriptors)) => Ok(Some(Taken { stream, descriptors })),
        // The server is ending, or is handing over to another process.
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

async fn send(stream: &UnixStream, descriptors: &Descriptors) -> io::Result<()> {
    let mut all: Vec<BorrowedFd<'_>> = vec![descriptors.socket.as_fd(), descriptors.offers.as_fd()];
    all.extend(descriptors.lock.as_ref().map(|lock| lock.as_fd()));
    stream
        .async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ancillary.push(SendAncillaryMessage::ScmRights(&all));
            let sent = sendmsg(stream, &[IoSlice::new(GREETING)], &mut ancillary, SendFlags::empty())?;
            if sent == GREETING.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
        })
        .await
}

async fn receive(stream: &UnixStream) -> io::Result<Descriptors> {
    let mut greeting = [0; GREETING.len()];
    let (length, received) = stream
        .async_io(Interest::READABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let message = recvmsg(stream, &mut [IoSliceMut::new(&mut greeting)], &mut ancillary, FLAGS)?;
            let mut descriptors = Vec::new();
            for ancillary in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(more) = ancillary {
                    descriptors.extend(more);
                }
            }
            Ok((message.bytes, descriptors))
        })
        .await?;
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let other = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "the previous server uses another version of the hand-over protocol",
        )
    };
    let mut received = received.into_iter();
    let (Some(socket), Some(offers), lock, None) =
        (received.next(), received.next(), received.next(), received.next())
    else {
        return Err(other());
    };
    if length != GREETING.len() || greeting != *GREETING {
        return Err(other());
    }
    for socket in [&socket, &offers] {
        descriptor::check_listening(socket.as_fd())?;
    }
    for descriptor in [Some(&socket), Some(&offers), lock.as_ref()].into_iter().flatten() {
        fcntl_setfd(descriptor, FdFlags::CLOEXEC)?;
    }
    Ok(Descriptors { socket, lock, offers })
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const FLAGS: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FLAGS: RecvFlags = RecvFlags::empty();

async fn write_byte(stream: &UnixStream, byte: u8) -> io::Result<()> {
    loop {
        stream.writable().await?;
        match stream.try_write(&[byte]) {
            Ok(1) => return Ok(()),
            Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns `None` at the end of the stream.
async fn read_byte(stream: &UnixStream) -> io::Result<Option<u8>> {
    let mut byte = [0];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut byte) {
            Ok(1) => return Ok(Some(byte[0])),
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
