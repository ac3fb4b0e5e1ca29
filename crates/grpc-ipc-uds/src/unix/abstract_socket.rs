use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use grpc_ipc_core::{Address, BindError};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tracing::warn;

use super::hand_over::{self, Attempts, Descriptors, HandOver, Leave, until_handed_over};
use super::kept_socket::{accept, last};
use super::listener::{listen, new_socket};
use super::socket_file::in_use_at;
use super::{ListenOptions, sys};

/// A socket in Linux's abstract namespace: a name without a file. The name is free again when nobody has the socket
/// open.
pub(super) struct AbstractSocket {
    socket: AsyncFd<UnixListener>,
    hand_over: Option<HandOver>,
}

impl AbstractSocket {
    /// Binds `path`, which begins with a NUL, or takes over the socket of the server that has bound it, depending on
    /// `options`.
    pub(super) async fn bind(
        options: &ListenOptions,
        address: &Address,
        path: &Path,
    ) -> Result<Self, BindError> {
        if !options.restartable {
            return Ok(Self { socket: bind(options, address, path, true).await?, hand_over: None });
        }
        let failed =
            |error| BindError::from_io(address, "take over the socket of the previous server", error);
        let mut offers = OsString::from(path);
        offers.push(hand_over::SUFFIX);
        let offers = Path::new(&offers);
        let mut attempts = Attempts::new();
        loop {
            let last = attempts.is_last();
            if let Some(taken) = hand_over::take(offers, &attempts).await.map_err(failed)? {
                let (hand_over, socket, _) = HandOver::following(taken, Leave::default());
                let socket = sys::register(UnixListener::from(socket), Interest::READABLE).map_err(failed)?;
                return Ok(Self { socket, hand_over: Some(hand_over) });
            }
            let bound = async {
                let socket = bind(options, address, path, last).await?;
                Ok((socket, bind(options, address, offers, last).await?.into_inner().into()))
            };
            match bound.await {
                Err(BindError::InUse { .. }) if !last => {
                    attempts.pause().await;
                }
                Err(error) => return Err(error),
                Ok((socket, offers)) => {
                    let hand_over = Some(HandOver::new(Leave::default()));
                    let mut bound = Self { socket, hand_over };
                    bound.offer(offers).map_err(failed)?;
                    return Ok(bound);
                }
            }
        }
    }

    fn offer(&mut self, offers: OwnedFd) -> io::Result<()> {
        let Some(hand_over) = &mut self.hand_over else { return Ok(()) };
        let socket = self.socket.get_ref().try_clone()?.into();
        hand_over.offer(Descriptors { socket, lock: None, offers })
    }

    pub(super) fn hand_over(&self) -> Option<&HandOver> {
        self.hand_over.as_ref()
    }

    /// # Cancel safety
    /// Dropping the future loses no connection.
    pub(super) async fn accept(&mut self) -> io::Result<UnixStream> {
        if let Some(hand_over) = &mut self.hand_over
            && let Some((offers, _)) = hand_over.begin().await
            && let Err(error) = self.offer(offers)
        {
            warn!(%error, "cannot offer the socket to the next server");
        }
        until_handed_over(self.hand_over.as_ref(), accept(&self.socket)).await
    }

    /// See [`KeptSocket::last`](super::kept_socket::KeptSocket::last).
    pub(super) fn last(&mut self) -> Option<UnixStream> {
        match &self.hand_over {
            Some(hand_over) if !hand_over.close() => None,
            _ => {
                // The next server binds the name again, and the hand-over name too.
                self.hand_over = None;
                last(&self.socket)
            }
        }
    }
}

/// Binds and listens. If the name is taken, `ask` decides whether to connect to find out who has it.
async fn bind(
    options: &ListenOptions,
    address: &Address,
    path: &Path,
    ask: bool,
) -> Result<AsyncFd<UnixListener>, BindError> {
    let socket = new_socket(address)?;
    match socket.bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let taken = BindError::InUse { address: address.clone(), by: None };
            let by = if ask { in_use_at(address, path).await? } else { None };
            return Err(by.unwrap_or(taken));
        }
        result => result.map_err(|error| BindError::from_io(address, "bind the socket", error))?,
    }
    listen(socket, options, address)
}
