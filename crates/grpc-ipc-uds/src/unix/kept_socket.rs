use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use grpc_ipc_core::{Address, BindError};
use rustix::fs::{AtFlags, CWD, Stat, statat};
use rustix::net::{Shutdown, shutdown};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::endpoint::SUN_PATH_LEN;
use super::found::Found;
use super::hand_over::{self, Attempts, Descriptors, HandOver, Leave, until_handed_over};
use super::listener::{listen, new_socket};
use super::lock_file::LockFile;
use super::owner::Owner;
use super::place::Place;
use super::socket_file::{SocketFile, clear};
use super::watch::Watch;
use super::{ListenOptions, sys};

/// A socket that listens at a path, and that returns to it when its files are removed.
///
/// Who removes them is often a program that tidies up, and does not know that they are in use. Without them this server
/// could not be reached, and without the lock file a second one could start.
pub(super) struct KeptSocket {
    // Dropped in this order: see SocketFile and LockFile.
    file: SocketFile,
    socket: AsyncFd<UnixListener>,
    lock: LockFile,
    options: ListenOptions,
    owner: Owner,
    address: Address,
    path: PathBuf,
    watch: Watch,
    /// When to see to it that the files are there; `None` while nothing is wrong with them.
    retry: Option<Instant>,
    pause: Duration,
    restored: Option<Instant>,
    /// Whether it is in the log that they cannot be put there.
    told: bool,
    /// Connections of a socket that had to be given up.
    left: VecDeque<UnixStream>,
    /// How the next server gets the socket, if it may.
    next: Option<Next>,
}

/// Where the next server is waited for.
struct Next {
    hand_over: HandOver,
    file: SocketFile,
    path: PathBuf,
    /// `None` while the server before this one has it.
    offers: Option<OwnedFd>,
}

/// The pause before the files are put there again: for whoever removes them one by one to come to an end, and then their
/// directory. It doubles with each try, for whoever removes them again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long the files have to stay for the next pause to be the first one again.
const CALM: Duration = Duration::from_secs(60);

impl KeptSocket {
    pub(super) async fn bind(
        options: ListenOptions,
        address: &Address,
        path: PathBuf,
    ) -> Result<Self, BindError> {
        let owner = Owner::of(&options, address).await?;
        let place = Place::open(&options, owner, address, &path)?;
        place.socket()?;
        let bound = match options.restartable {
            true => follow_or_bind(&place, &options).await?,
            false => bind_first(&place, &options).await?,
        };
        let Bound { file, socket, lock, next } = bound;
        let watch = watch(&place, &lock, next.as_ref());
        let mut kept = Self {
            file,
            socket,
            lock,
            options,
            owner,
            address: address.clone(),
            path,
            watch,
            retry: None,
            pause: FIRST_PAUSE,
            restored: None,
            told: false,
            left: VecDeque::new(),
            next,
        };
        kept.offer()
            .map_err(|error| BindError::from_io(address, "offer the socket to the next server", error))?;
        kept.look();
        Ok(kept)
    }

    pub(super) fn hand_over(&self) -> Option<&HandOver> {
        self.next.as_ref().map(|next| &next.hand_over)
    }

    /// Offers the socket to the next server, if this one has the right to.
    fn offer(&mut self) -> io::Result<()> {
        let Some(Next { hand_over, offers: Some(offers), .. }) = &mut self.next else { return Ok(()) };
        hand_over.offer(Descriptors {
            socket: self.socket.get_ref().try_clone()?.into(),
            lock: Some(self.lock.try_clone()?),
            offers: offers.try_clone()?,
        })
    }

    /// Has the server before this one stop, if there is one.
    ///
    /// # Cancel safety
    /// It goes on where a dropped future has been.
    async fn begin(&mut self) {
        let Some(next) = &mut self.next else { return };
        let Some((offers, as_it_was)) = next.hand_over.begin().await else { return };
        next.offers = Some(offers);
        self.lock.sign();
        if let Err(error) = self.offer() {
            warn!(address = %self.address, %error, "this server cannot offer its socket to the next one");
        }
        if !as_it_was {
            // It may have ended in the meantime, and have removed the files.
            self.look();
            self.retry = self.retry.map(|_| Instant::now());
        }
    }

    /// Waits for a connection, and meanwhile sees to the files.
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection.
    pub(super) async fn accept(&mut self) -> io::Result<UnixStream> {
        self.begin().await;
        loop {
            if let Some(stream) = self.left.pop_front() {
                return Ok(stream);
            }
            let change = async {
                match self.retry {
                    None => self.watch.changed().await,
                    Some(retry) => sleep_until(retry).await,
                }
            };
            let next = async {
                tokio::select! {
                    accepted = accept(&self.socket) => Some(accepted),
                    () = change => None,
                }
            };
            match (until_handed_over(self.hand_over(), next).await, self.retry) {
                (Some(accepted), _) => return accepted,
                (None, None) => self.look(),
                (None, Some(_)) => self.see_to_it().await,
            }
        }
    }

    /// Gives up the path, and returns one of those who had connected before. Nobody can connect any more when this has
    /// returned `None`.
    pub(super) fn last(&mut self) -> Option<UnixStream> {
        if !self.close() {
            return self.left.pop_front();
        }
        // As when they are dropped, and both before the backlog is empty: whoever finds nothing here may start a server.
        self.file.remove();
        self.lock.release();
        self.left.pop_front().or_else(|| last(&self.socket))
    }

    /// Keeps the socket from whoever would follow, who then binds the path anew; `false` if somebody has it.
    fn close(&mut self) -> bool {
        let closed = self.hand_over().is_none_or(HandOver::close);
        if closed {
            self.next = None;
        }
        closed
    }

    /// Looks whether the path leads to this socket, and its lock's to the lock.
    fn look(&mut self) {
        // A path that is not from the root may lead elsewhere by now.
        if self.path.is_relative() || self.is_whole() {
            return;
        }
        if self.restored.is_none_or(|restored| restored.elapsed() > CALM) {
            self.pause = FIRST_PAUSE;
        }
        self.retry = Some(Instant::now() + self.pause);
    }

    fn is_whole(&self) -> bool {
        let mut lock = self.path.clone().into_os_string();
        lock.push(".lock");
        self.next.as_ref().is_none_or(|next| stat(&next.path).is_ok_and(|found| next.file.is(&found)))
            && stat(&self.path).is_ok_and(|found| self.file.is(&found))
            && stat(Path::new(&lock)).is_ok_and(|found| self.lock.is(&found))
    }

    /// Tries to put the files there again.
    async fn see_to_it(&mut self) {
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        match self.restore().await {
            Ok(restored) => {
                if restored {
                    warn!(address = %self.address, "the files of the socket were removed; this server has put them there again");
                }
                (self.retry, self.restored, self.told) = (None, Some(Instant::now()), false);
                self.look();
            }
            Err(error) => {
                self.retry = Some(Instant::now() + self.pause);
                if !self.told {
                    let error: &dyn Error = &error;
                    warn!(
                        address = %self.address, error,
                        "the files of the socket were removed, so clients cannot reach this server; it keeps trying to put \
                         them there again"
                    );
                }
                self.told = true;
            }
        }
    }

    /// Whether there was something to do. What is said of the right to a path holds now as it does for a server that
    /// starts: what belongs to another server is left alone.
    async fn restore(&mut self) -> Result<bool, BindError> {
        if self.is_whole() {
            return Ok(false);
        }
        let place = Place::open(&self.options, self.owner, &self.address, &self.path)?;
        let found = place.socket()?;
        let lock = match place.directory.stat(&place.lock_name()).is_ok_and(|found| self.lock.is(&found)) {
            true => None,
            false => Some(LockFile::acquire(&place, place.lock_name()).await?.left_by(self.leave())),
        };
        if !found.is_some_and(|found| self.file.is(&found)) {
            let (file, socket) = bind(&place, &self.options).await?;
            // Nobody finds the old socket any more. Who has connected to it is still served.
            for _ in 0..self.options.backlog {
                let Ok((stream, _)) = self.socket.get_ref().accept() else { break };
                self.left.push_back(stream);
            }
            (self.file, self.socket) = (file.left_by(self.leave()), socket);
        }
        if let Some(lock) = lock {
            self.lock = lock;
        }
        let leave = self.leave();
        if let Some(next) = &mut self.next {
            let path = next.path.clone();
            let place = place.beside(&path);
            if !place.socket()?.is_some_and(|found| next.file.is(&found)) {
                let (file, offers) = bind_beside(&place, &self.options).await?;
                (next.file, next.offers) = (file.left_by(leave), Some(offers));
            }
        }
        self.watch = watch(&place, &self.lock, self.next.as_ref());
        let offered = self.offer();
        offered.map_err(|error| {
            BindError::from_io(&self.address, "offer the socket to the next server", error)
        })?;
        Ok(true)
    }

    fn leave(&self) -> Leave {
        self.hand_over().map(HandOver::leave).unwrap_or_default()
    }
}

impl Drop for KeptSocket {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a server has that listens at a place.
struct Bound {
    file: SocketFile,
    socket: AsyncFd<UnixListener>,
    lock: LockFile,
    next: Option<Next>,
}

/// The first server at the place, or one after another that has ended.
async fn bind_first(place: &Place<'_>, options: &ListenOptions) -> Result<Bound, BindError> {
    let lock = match options.restartable {
        // The caller tries again.
        true => LockFile::acquire(place, place.lock_name()).await?,
        false => LockFile::await_end(place).await?,
    };
    let (file, socket) = bind(place, options).await?;
    Ok(Bound { file, socket, lock, next: None })
}

/// Follows the server that offers its socket, or binds one that the next server can follow.
async fn follow_or_bind(place: &Place<'_>, options: &ListenOptions) -> Result<Bound, BindError> {
    let mut path = place.path.as_os_str().to_owned();
    path.push(hand_over::SUFFIX);
    let (path, limit) = (PathBuf::from(path), SUN_PATH_LEN - 1);
    if path.as_os_str().len() > limit {
        let (length, limit) = (place.path.as_os_str().len(), limit - hand_over::SUFFIX.len());
        return Err(BindError::TooLong { address: place.address.clone(), length, limit });
    }
    let beside = place.beside(&path);
    let mut attempts = Attempts::new();
    loop {
        let last = attempts.is_last();
        if let Some(bound) = follow(place, &beside, &attempts).await? {
            return Ok(bound);
        }
        match bind_first(place, options).await {
            Err(BindError::InUse { .. }) if !last => attempts.pause().await,
            Err(error) => return Err(error),
            Ok(bound) => {
                let leave = Leave::default();
                let (file, offers) = bind_beside(&beside, options).await?;
                let (lock, socket_file) =
                    (bound.lock.left_by(leave.clone()), bound.file.left_by(leave.clone()));
                let file = file.left_by(leave.clone());
                let next = Next {
                    hand_over: HandOver::new(leave),
                    file,
                    path: beside.path.into(),
                    offers: Some(offers),
                };
                return Ok(Bound { file: socket_file, lock, next: Some(next), ..bound });
            }
        }
    }
}

/// What the server before this one hands over, if there is one that does.
async fn follow(
    place: &Place<'_>,
    beside: &Place<'_>,
    attempts: &Attempts,
) -> Result<Option<Bound>, BindError> {
    let failed =
        |error| BindError::from_io(place.address, "take over the socket of the server before", error);
    let offers = match Found::open(beside.directory.as_fd(), &beside.name) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let taken = hand_over::take(&offers.reached_by(beside.path), attempts).await.map_err(failed)?;
    let Some(taken) = taken else { return Ok(None) };
    let leave = Leave::default();
    let (hand_over, socket, lock) = HandOver::following(taken, leave.clone());
    let lock = lock.ok_or_else(|| failed(io::Error::other("there was no lock file with it")))?;
    let (Some(file), Some(offers_file)) =
        (SocketFile::taken(place, leave.clone())?, SocketFile::taken(beside, leave.clone())?)
    else {
        return Ok(None);
    };
    let socket = sys::register(UnixListener::from(socket), Interest::READABLE).map_err(failed)?;
    let next = Next { hand_over, file: offers_file, path: beside.path.into(), offers: None };
    Ok(Some(Bound { file, socket, lock: LockFile::taken(place, lock, leave), next: Some(next) }))
}

/// The socket on which the next server is waited for.
async fn bind_beside(
    beside: &Place<'_>,
    options: &ListenOptions,
) -> Result<(SocketFile, OwnedFd), BindError> {
    let options = ListenOptions { mode: 0o600, ..options.clone() };
    let (file, socket) = bind(beside, &options).await?;
    Ok((file, socket.into_inner().into()))
}

/// A socket at the place, which the caller has the lock of.
async fn bind(
    place: &Place<'_>,
    options: &ListenOptions,
) -> Result<(SocketFile, AsyncFd<UnixListener>), BindError> {
    clear(place).await?;
    let socket = new_socket(place.address)?;
    let file = SocketFile::bind(&socket, place, options).await?;
    Ok((file, listen(socket, options, place.address)?))
}

pub(super) async fn accept(socket: &AsyncFd<UnixListener>) -> io::Result<UnixStream> {
    socket.async_io(Interest::READABLE, |socket| socket.accept()).await.map(|(stream, _)| stream)
}

/// One of those who have connected to a socket that nobody can connect to any more.
pub(super) fn last(socket: &AsyncFd<UnixListener>) -> Option<UnixStream> {
    // Linux refuses clients from here on, and hands out those that have come. Elsewhere the call fails, and the socket
    // takes clients until it is closed: only those that have looked up the path before can be among them.
    _ = shutdown(socket.get_ref(), Shutdown::Read);
    loop {
        match socket.get_ref().accept() {
            Ok((stream, _)) => return Some(stream),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {}
            Err(_) => return None,
        }
    }
}

fn watch(place: &Place<'_>, lock: &LockFile, next: Option<&Next>) -> Watch {
    let next = next.and_then(|next| next.path.file_name());
    Watch::new(&place.directory, [&*place.name, lock.name()].into_iter().chain(next))
}

fn stat(path: &Path) -> io::Result<Stat> {
    Ok(statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_inotify_it_looks_now_and_then() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("s");
        let address = Address::unix(&path).unwrap();
        let mut kept = KeptSocket::bind(ListenOptions::new(), &address, path.clone()).await.unwrap();
        kept.watch = Watch::absent();
        std::fs::remove_file(&path).unwrap();
        let removed = Instant::now();
        let client = async {
            while !path.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            UnixStream::connect(&path).unwrap()
        };
        let (_server, _client) = tokio::join!(kept.accept(), client);
        assert_eq!(removed.elapsed().as_secs(), 10, "at the first look");
    }
}
