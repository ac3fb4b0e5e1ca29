//! How a server hands its listening socket over to the process that follows it.
//!
//! A server that can be followed listens on a second socket, beside the first one, for its successor. When that connects,
//! the server sends it three descriptors (SCM_RIGHTS, unix(7)): the listening socket, the lock file, and the second socket.
//! A lock of flock(2) belongs to the open file, which both processes have then, so it is never free in between.
//!
//! Both have the sockets, and the old server goes on. When the new one begins to accept, it says so. Only then does the
//! old one stop, and it leaves the files alone from then on. If the new process dies before that, nothing has happened.

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
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{debug, info};

use super::kept_socket::accept;
use super::peer::peer_of;
use super::socket_file::is_gone;
use super::{descriptor, sys};

/// What the old server begins with. It names the form of what follows.
const GREETING: &[u8; 20] = b"grpc-ipc hand-over 1";
/// What the new server says when it accepts, and what the old one answers when it has stopped to.
const ACCEPTING: u8 = b'A';
const STOPPED: u8 = b'S';

/// How long a server that offers its socket may take to send it.
const GREETING_LIMIT: Duration = Duration::from_secs(5);
/// How long it may take to stop accepting. It is one step for it; if it is stopped, the new server accepts meanwhile.
const STOP_LIMIT: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_secs(1);

/// What follows the path of a socket in that of the second one.
pub(super) const SUFFIX: &str = ".handover";
/// How often, and after which pauses, a server tries again that finds neither a server to follow nor the path free: the one
/// before it is about to listen, or to end.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);
/// How long it tries at most: the server before it may be handing over to another one, and say nothing meanwhile.
const LIMIT: Duration = Duration::from_secs(10);

/// The attempts of a server to follow another one, or to find its address free.
pub(super) struct Attempts {
    left: u32,
    deadline: Instant,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self { left: ATTEMPTS, deadline: Instant::now() + LIMIT }
    }

    /// Whether no other follows.
    pub(super) fn is_last(&self) -> bool {
        self.left == 0 || Instant::now() >= self.deadline
    }

    /// How long the server before may take to send its socket.
    fn greeting_deadline(&self) -> Instant {
        self.deadline.min(Instant::now() + GREETING_LIMIT)
    }

    pub(super) async fn pause(&mut self) {
        self.left = self.left.saturating_sub(1);
        sleep(PAUSE).await;
    }
}

/// Whether the files of a server are left alone when it ends: they may be another process's, too.
#[derive(Clone, Debug, Default)]
pub(super) struct Leave(Arc<AtomicU8>);

/// Nobody else has the socket.
const OWN: u8 = 0;
/// Another process may have it.
const SHARED: u8 = 1;
/// It is given up, and goes to nobody any more.
const CLOSED: u8 = 2;

impl Leave {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst) == SHARED
    }

    /// Before another process gets the socket; `false` if it is too late for that.
    fn share(&self) -> bool {
        self.0.compare_exchange(OWN, SHARED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Before the socket is given up; `false` if another process may have it.
    fn close(&self) -> bool {
        self.0.compare_exchange(OWN, CLOSED, Ordering::SeqCst, Ordering::SeqCst) != Err(SHARED)
    }

    /// It is this process's alone.
    fn own(&self) {
        self.0.store(OWN, Ordering::SeqCst);
    }
}

/// What one server hands to the next.
pub(super) struct Descriptors {
    /// It listens for clients.
    pub(super) socket: OwnedFd,
    /// Sockets in the abstract namespace have none.
    pub(super) lock: Option<OwnedFd>,
    /// It listens for the next server.
    pub(super) offers: OwnedFd,
}

/// The end of a server that can be followed by another process.
pub(super) struct HandOver {
    handed_over: watch::Sender<bool>,
    leave: Leave,
    /// Where the next server is waited for.
    task: Option<AbortHandle>,
    /// The server before this one, while that accepts.
    before: Option<Before>,
}

struct Before {
    stream: UnixStream,
    offers: OwnedFd,
    is_told: bool,
}

impl HandOver {
    /// Of the first server.
    pub(super) fn new(leave: Leave) -> Self {
        Self { handed_over: watch::Sender::new(false), leave, task: None, before: None }
    }

    /// Of a server that follows another one, which has handed over the first two of the descriptors that it returns.
    pub(super) fn following(taken: Taken, leave: Leave) -> (Self, OwnedFd, Option<OwnedFd>) {
        let Taken { stream, descriptors: Descriptors { socket, lock, offers } } = taken;
        leave.share();
        let before = Some(Before { stream, offers, is_told: false });
        (Self { handed_over: watch::Sender::new(false), leave, task: None, before }, socket, lock)
    }

    /// Gives the socket to nobody any more; `false` if another process may have it.
    pub(super) fn close(&self) -> bool {
        self.leave.close()
    }

    /// What says whether the files are left alone.
    pub(super) fn leave(&self) -> Leave {
        self.leave.clone()
    }

    /// Waits until the next process has the socket.
    pub(super) fn handed_over(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut handed_over = self.handed_over.subscribe();
        async move {
            if handed_over.wait_for(|handed_over| *handed_over).await.is_err() {
                // It has ended without.
                pending::<()>().await;
            }
        }
    }

    /// Tells the server before this one to stop, and waits until it has; returns the socket on which the next server is
    /// waited for, if there was one before, and whether it has left everything as it was.
    ///
    /// # Cancel safety
    /// It goes on where a dropped future has been.
    pub(super) async fn begin(&mut self) -> Option<(OwnedFd, bool)> {
        let before = self.before.as_mut()?;
        let answered = timeout(STOP_LIMIT, before.stop(&self.leave)).await;
        let before = self.before.take()?;
        self.leave.own();
        info!("this server has taken over the socket of the one before it");
        Some((before.offers, matches!(answered, Ok(Ok(())))))
    }

    /// Offers `descriptors` to the next server, instead of those that were offered before.
    pub(super) fn offer(&mut self, descriptors: Descriptors) -> io::Result<()> {
        self.stop_offering();
        let offers = UnixListener::from(descriptors.offers.try_clone()?);
        offers.set_nonblocking(true)?;
        let offers = sys::register(offers, Interest::READABLE)?;
        let (handed_over, leave) = (self.handed_over.clone(), self.leave.clone());
        let task = tokio::spawn(async move {
            loop {
                match hand_over(&offers, &descriptors, &leave).await {
                    Ok(Some(next)) => {
                        info!(%next, "another process has taken over the socket of this server");
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
        });
        self.task = Some(task.abort_handle());
        Ok(())
    }

    fn stop_offering(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

impl Drop for HandOver {
    fn drop(&mut self) {
        self.stop_offering();
    }
}

impl Before {
    /// An error if it has ended without a word.
    async fn stop(&mut self, leave: &Leave) -> io::Result<()> {
        if !self.is_told {
            write_byte(&self.stream, ACCEPTING).await?;
            self.is_told = true;
            // The server before hears of it, or has ended: the files are this one's.
            leave.own();
        }
        match read_byte(&self.stream).await? {
            Some(STOPPED) => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// `accepted`, unless the next process has the socket: then never.
///
/// # Cancel safety
/// That of `accepted`.
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

/// One attempt to hand the descriptors over: the peer that has them in the end, if it has said that it accepts.
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
    // From here on they may be another's, too.
    if !leave.share() {
        return Ok(None);
    }
    let sent = async {
        send(&stream, descriptors).await?;
        read_byte(&stream).await
    };
    // Whoever goes without a word has only looked.
    let Ok(Some(ACCEPTING)) = sent.await else {
        leave.own();
        return Ok(None);
    };
    // It accepts, whether it hears of this or not.
    _ = write_byte(&stream, STOPPED).await;
    Ok(Some(peer))
}

/// Whether `peer` is this user or root: nobody else could make a socket of this server's.
async fn may_follow(peer: &Peer) -> bool {
    AccessPolicy::same_user_or_system().check(peer).await.is_ok()
}

/// What a server has been sent by the one before it.
pub(super) struct Taken {
    stream: UnixStream,
    descriptors: Descriptors,
}

/// Takes the descriptors of the server that offers them at `path`; `None` if none does.
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
        // It ends, or is busy with another one.
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
    let other = || io::Error::new(io::ErrorKind::InvalidData, "the server speaks another form of hand-over");
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

/// `None` at the end.
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
