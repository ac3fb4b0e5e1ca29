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

/// A socket that listens at a path, and restores its files when they are removed.
///
/// A program that cleans up often removes them, without knowing that they are in use. Without the socket file, clients
/// cannot reach this server; without the lock file, a second server could start.
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
    /// When to restore the files; `None` while they are intact.
    retry: Option<Instant>,
    pause: Duration,
    restored: Option<Instant>,
    /// Whether the failure to restore them has been logged.
    told: bool,
    /// Connections accepted from a socket that had to be replaced.
    left: VecDeque<UnixStream>,
    /// How the next server gets the socket, if this server is restartable.
    next: Option<Next>,
}

/// Where this server waits for the next one.
struct Next {
    hand_over: HandOver,
    file: SocketFile,
    path: PathBuf,
    /// `None` while the previous server has it.
    offers: Option<OwnedFd>,
}

/// The pause before the files are restored, so that a program that removes the files one by one and then their
/// directory can finish. It doubles with each attempt, in case the files are removed repeatedly.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long the files must stay in place before the pause is reset.
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

    /// Offers the socket to the next server, if this server is restartable.
    fn offer(&mut self) -> io::Result<()> {
        let Some(Next { hand_over, offers: Some(offers), .. }) = &mut self.next else { return Ok(()) };
        hand_over.offer(Descriptors {
            socket: self.socket.get_ref().try_clone()?.into(),
            lock: Some(self.lock.try_clone()?),
            offers: offers.try_clone()?,
        })
    }

    /// Tells the previous server to stop, if there is one.
    ///
    /// # Cancel safety
    /// If the future is dropped, the next call continues where it stopped.
    async fn begin(&mut self) {
        let Some(next) = &mut self.next else { return };
        let Some((offers, as_it_was)) = next.hand_over.begin().await else { return };
        next.offers = Some(offers);
        self.lock.sign();
        if let Err(error) = self.offer() {
            warn!(address = %self.address, %error, "cannot offer the socket to the next server");
        }
        if !as_it_was {
            // The previous server may have ended in the meantime and removed the files.
            self.look();
            self.retry = self.retry.map(|_| Instant::now());
        }
    }

    /// Waits for a connection, and restores the files in the meantime.
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

    /// Gives up the path and returns one of the clients that had connected before. After this has returned `None`,
    /// nobody can connect any more.
    pub(super) fn last(&mut self) -> Option<UnixStream> {
        if !self.close() {
            return self.left.pop_front();
        }
        // As when they are dropped. Both go before the backlog is empty, because a client that finds nothing here may
        // start a server.
        self.file.remove();
        self.lock.release();
        self.left.pop_front().or_else(|| last(&self.socket))
    }

    /// Stops the next server from following, so that it binds the path itself. Returns `false` if another process
    /// already has the socket.
    fn close(&mut self) -> bool {
        let closed = self.hand_over().is_none_or(HandOver::close);
        if closed {
            self.next = None;
        }
        closed
    }

    /// Checks that the path leads to this socket, and the path of the lock file to the lock.
    fn look(&mut self) {
        // A relative path may lead elsewhere by now.
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

    /// Tries to restore the files.
    async fn see_to_it(&mut self) {
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        match self.restore().await {
            Ok(restored) => {
                if restored {
                    warn!(address = %self.address, "the files of the socket were removed; this server created them again");
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
                        "the files of the socket were removed, so clients cannot reach this server; it keeps trying to \
                         create them again"
                    );
                }
                self.told = true;
            }
        }
    }

    /// Returns whether anything had to be restored. The rules for the path are the same as at startup: another server's
    /// files are not changed.
    async fn restore(&mut self) -> Result<bool, BindError> {
        // After a restore that was given up in the middle, the files may exist although the new socket is not offered.
        if self.is_whole() && self.hand_over().is_none_or(HandOver::is_offered) {
            return Ok(false);
        }
        let place = Place::open(&self.options, self.owner, &self.address, &self.path)?;
        let has_file = place.socket()?.is_some_and(|found| self.file.is(&found));
        if let Some(Next { hand_over, .. }) = &mut self.next {
            // The process that has the socket will report, and then restore the other files, or end.
            if has_file && hand_over.is_handing_over() || !hand_over.withdraw().await {
                return Ok(false);
            }
        }
        let lock = match place.directory.stat(&place.lock_name()).is_ok_and(|found| self.lock.is(&found)) {
            true => None,
            false => Some(LockFile::acquire(&place, place.lock_name()).await?.left_by(self.leave())),
        };
        if !has_file {
            let (file, socket) = bind(&place, &self.options).await?;
            // New clients cannot find the old socket. Clients that have connected to it are still served.
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

/// The state of a server that listens at a place.
struct Bound {
    file: SocketFile,
    socket: AsyncFd<UnixListener>,
    lock: LockFile,
    next: Option<Next>,
}

/// Binds as the first server at the place, or after another one has ended.
async fn bind_first(place: &Place<'_>, options: &ListenOptions) -> Result<Bound, BindError> {
    let lock = match options.restartable {
        // The caller tries again.
        true => LockFile::acquire(place, place.lock_name()).await?,
        false => LockFile::await_end(place).await?,
    };
    let (file, socket) = bind(place, options).await?;
    Ok(Bound { file, socket, lock, next: None })
}

/// Follows the server that offers its socket, or binds a socket that the next server can follow.
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

/// Takes the descriptors of the previous server, if it hands them over.
async fn follow(
    place: &Place<'_>,
    beside: &Place<'_>,
    attempts: &Attempts,
) -> Result<Option<Bound>, BindError> {
    let failed =
        |error| BindError::from_io(place.address, "take over the socket of the previous server", error);
    let Some(before) = place.socket()? else { return Ok(None) };
    let offers = match Found::open(beside.directory.as_fd(), &beside.name) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let taken = hand_over::take(&offers.reached_by(beside.path), attempts).await.map_err(failed)?;
    let Some(taken) = taken else { return Ok(None) };
    let leave = Leave::default();
    let (hand_over, socket, lock) = HandOver::following(taken, leave.clone());
    let lock = lock.ok_or_else(|| failed(io::Error::other("the previous server sent no lock file")))?;
    let (Some(file), Some(offers_file)) =
        (SocketFile::taken(place, leave.clone())?, SocketFile::taken(beside, leave.clone())?)
    else {
        return Ok(None);
    };
    // If the file has changed, the previous server has bound another socket, and the received one has no file.
    if !file.is(&before) {
        return Ok(None);
    }
    let socket = sys::register(UnixListener::from(socket), Interest::READABLE).map_err(failed)?;
    let next = Next { hand_over, file: offers_file, path: beside.path.into(), offers: None };
    Ok(Some(Bound { file, socket, lock: LockFile::taken(place, lock, leave), next: Some(next) }))
}

/// Binds the socket that waits for the next server.
async fn bind_beside(
    beside: &Place<'_>,
    options: &ListenOptions,
) -> Result<(SocketFile, OwnedFd), BindError> {
    let options = ListenOptions { mode: 0o600, ..options.clone() };
    let (file, socket) = bind(beside, &options).await?;
    Ok((file, socket.into_inner().into()))
}

/// Binds a socket at the place. The caller holds its lock.
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

/// Returns one of the clients that connected to a socket before it was closed to new ones.
pub(super) fn last(socket: &AsyncFd<UnixListener>) -> Option<UnixStream> {
    // On Linux, this makes the socket refuse new clients, and accept still returns those that have connected. On other
    // systems the call fails, and the socket takes clients until it is closed. By then the path is gone, so these can
    // only be clients that looked it up before.
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
