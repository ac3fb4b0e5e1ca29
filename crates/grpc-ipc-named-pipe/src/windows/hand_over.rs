//! Lets a server leave its pipe to its successor.
//!
//! The handle of a pipe cannot be handed over like a listening socket, because each instance has one client. But other
//! processes of the owner can create further instances of the same pipe. So the two servers share the pipe for a
//! moment:
//!
//! 1. A restartable server waits for its successor on a second pipe, `NAME.handover`, which only its own user can open.
//!    The successor connects there when it binds, and creates no instances yet. If it ends now, nothing has changed.
//! 2. When the successor begins to accept, it creates its instances of the pipe. Then it sends one byte to the old server,
//!    which answers with another.
//! 3. The old server creates no more instances. It connects to those that still wait for a client itself
//!    ([`Instances::occupy`](super::instances::Instances)), so each of its instances has had exactly one client. It
//!    serves those that others have connected to.
//!
//! At each moment, one of the two creates an instance for each client that comes, and no instance is closed while a
//! client can connect to it. So no client finds the pipe missing, or sees its connection closed.

use std::future::pending;
use std::io;
use std::time::Duration;

use futures_util::FutureExt as _;
use grpc_ipc_core::{AccessPolicy, Peer};
use grpc_ipc_win32::{Descriptor, Identity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, info};
use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;
use windows_sys::Win32::Storage::FileSystem::SECURITY_IDENTIFICATION;

use super::{SecurityDescriptor, endpoint, identify, sys};

/// The first bytes from the old server. They identify the version of the protocol.
const GREETING: &[u8; 20] = b"grpc-ipc hand-over 1";
/// Sent by the new server when it accepts, and the old server's answer.
const ACCEPTING: u8 = b'A';
const STOPPED: u8 = b'S';

/// How long a server may take to greet its successor.
const GREETING_LIMIT: Duration = Duration::from_secs(5);
/// How long it may take to answer. The limit is short because the new server accepts no client in the meantime.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// How long to wait before trying again to create the second pipe.
const RETRY: Duration = Duration::from_secs(1);
/// The suffix that the name of the second pipe adds to that of the first.
const SUFFIX: &str = ".handover";

/// A server's side of the hand-over to the next process.
pub(super) struct HandOver {
    handed_over: watch::Sender<bool>,
    path: String,
    /// The task that waits for the next server.
    task: Option<AbortHandle>,
    /// The previous server, until it is told to stop.
    before: Option<NamedPipeClient>,
}

/// The result of looking for a server to follow.
pub(super) enum Found {
    /// A server, to which [`HandOver`] is now connected.
    Server,
    /// A server that another process is about to follow.
    Busy,
    Nobody,
}

impl HandOver {
    /// For the server of the pipe `name`. It does not follow another one yet.
    pub(super) fn new(name: &str) -> Self {
        let path = endpoint::path(&format!("{name}{SUFFIX}"));
        Self { handed_over: watch::Sender::new(false), path, task: None, before: None }
    }

    /// Looks for a restartable server, and connects to it.
    pub(super) async fn follow(&mut self, own: &Identity) -> Found {
        let mut options = ClientOptions::new();
        options.security_qos_flags(SECURITY_IDENTIFICATION);
        let mut pipe = match options.open(&self.path) {
            Ok(pipe) if sys::is_pipe(&pipe) && is_own(&identify::server_of(&pipe, own)) => pipe,
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY as i32) => return Found::Busy,
            // There is none, or it belongs to another user.
            _ => return Found::Nobody,
        };
        let mut greeting = [0; GREETING.len()];
        match timeout(GREETING_LIMIT, pipe.read_exact(&mut greeting)).await {
            Ok(Ok(_)) if greeting == *GREETING => {}
            // Another server has just followed it, or it has ended.
            Ok(_) => return Found::Nobody,
            Err(_) => return Found::Busy,
        }
        self.before = Some(pipe);
        Found::Server
    }

    /// The process of the server that this one follows, if it is another process, and Windows reports it.
    pub(super) fn process_before(&self) -> Option<u32> {
        let process = sys::server_process(self.before.as_ref()?).ok()?;
        (process != std::process::id()).then_some(process)
    }

    /// Whether the server that this one follows has ended.
    pub(super) fn has_ended_before(&self) -> bool {
        self.before.as_ref().is_none_or(sys::is_closed)
    }

    /// Tells the previous server that this one accepts. Returns `false` if there is none, or if it ended without
    /// receiving this. A server that does not answer for a while receives it later.
    ///
    /// # Cancel safety
    /// If the future is dropped, the next call continues where it stopped.
    pub(super) async fn tell(&mut self) -> bool {
        let Some(before) = &mut self.before else { return false };
        let answer = async {
            // If this fails, reading fails too, unless the server has answered.
            _ = before.write_all(&[ACCEPTING]).await;
            before.read_u8().await
        };
        let answered = timeout(ANSWER_LIMIT, answer).await;
        self.before = None;
        let told = !matches!(answered, Ok(Err(_)));
        if told {
            info!("took over the pipe of the previous server");
        }
        told
    }

    /// Waits for the next server from now on.
    pub(super) fn offer(&mut self, own: &Identity) -> io::Result<()> {
        if self.task.is_some() {
            return Ok(());
        }
        let offers = Offers {
            descriptor: SecurityDescriptor::current_user().compile(own.sid())?,
            path: self.path.clone(),
            own: own.clone(),
        };
        let first = offers.try_create();
        let handed_over = self.handed_over.clone();
        let task = tokio::spawn(async move {
            let mut pipe = offers.created(first).await;
            loop {
                match accepts(&mut pipe).await {
                    Ok(true) => {
                        info!("another process took over the pipe");
                        handed_over.send_replace(true);
                        // The new server accepts, even if it does not receive this.
                        _ = pipe.write_all(&[STOPPED]).await;
                        return;
                    }
                    // It has ended, or was only looking.
                    Ok(false) => {}
                    Err(error) => debug!(%error, "the pipe could not be handed over"),
                }
                pipe = offers.created(offers.try_create()).await;
            }
        });
        self.task = Some(task.abort_handle());
        Ok(())
    }

    /// Waits until the next process has taken over the pipe.
    pub(super) fn handed_over(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut handed_over = self.handed_over.subscribe();
        async move {
            if handed_over.wait_for(|handed_over| *handed_over).await.is_err() {
                // The task ended without a hand-over.
                pending::<()>().await;
            }
        }
    }
}

impl Drop for HandOver {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// Whether the owner of an instance is a user that a server of this user may follow: the same, or SYSTEM.
pub(super) fn is_own_pipe(instance: &NamedPipeServer, own: &Identity) -> bool {
    is_own(&identify::server_of(instance, own))
}

fn is_own(peer: &Peer) -> bool {
    // This policy is immediate, so it does not wait.
    let checked = AccessPolicy::same_user_or_system().check(peer).now_or_never();
    checked.is_some_and(|checked| checked.is_ok())
}

/// The second pipe. Each instance serves one attempt.
struct Offers {
    path: String,
    descriptor: Descriptor,
    own: Identity,
}

impl Offers {
    /// Creates the first instance, or one beside those of the previous server.
    fn try_create(&self) -> io::Result<NamedPipeServer> {
        let mut options = ServerOptions::new();
        options.reject_remote_clients(true);
        sys::create(options.clone().first_pipe_instance(true), &self.path, &self.descriptor)
            .or_else(|_| sys::create(&options, &self.path, &self.descriptor))
    }

    /// Returns an instance that belongs to this user.
    async fn created(&self, mut created: io::Result<NamedPipeServer>) -> NamedPipeServer {
        loop {
            match created {
                Ok(pipe) if is_own_pipe(&pipe, &self.own) => return pipe,
                Ok(_) => debug!(path = %self.path, "the pipe for the next server belongs to another user"),
                Err(error) => debug!(%error, "the pipe for the next server cannot be created yet"),
            }
            sleep(RETRY).await;
            created = self.try_create();
        }
    }
}

/// Waits for a server that wants to follow, and returns whether it has reported that it accepts.
async fn accepts(pipe: &mut NamedPipeServer) -> io::Result<bool> {
    pipe.connect().await?;
    pipe.write_all(GREETING).await?;
    Ok(pipe.read_u8().await? == ACCEPTING)
}
