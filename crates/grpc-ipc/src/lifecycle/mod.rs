//! The end of a server: on request, or when it is idle.

mod announcement;
mod client;
mod end;
mod messages;
mod service;

pub use announcement::Announcement;
pub use client::Description;
pub(crate) use end::{End, Ending, leave};

use std::time::Duration;

use crate::Server;

impl Server {
    /// Adds the service `grpc.ipc.v1.Lifecycle`. It tells clients the program's name, version and process
    /// ([`Channel::describe`](crate::Channel::describe)), and lets the same user ask the server to leave
    /// ([`Channel::ask_to_leave`](crate::Channel::ask_to_leave)). A [`Launcher`](crate::Launcher) that requires a
    /// version needs it. Layers apply to it as to any service, so an [`Authorize`](crate::Authorize) has to name its
    /// methods.
    ///
    /// Default: no such service.
    ///
    /// ```
    /// let server = grpc_ipc::Server::builder()
    ///     .announce(grpc_ipc::Announcement::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")));
    /// ```
    pub fn announce(mut self, announcement: Announcement) -> Self {
        let announced = announcement.announced();
        self.ending.announced = Some(announced.clone());
        self.add_service(service::LifecycleServer::new(announced))
    }

    /// Ends the server when there has been no call and no new connection for this long. [`serve`](Self::serve) then
    /// returns `Ok`. A running call keeps the server up, however long it takes. An open connection without calls does
    /// not, because a [`Channel`](crate::Channel) keeps its connection forever. The server closes it, and the channel's
    /// next call connects again. The server checks eight times in this duration, so it may end a quarter later. It
    /// waits at least 5 seconds for its first client, because a client may have started it and need that long.
    ///
    /// No call is lost. The server first gives up its addresses, so the next client finds no server and can start
    /// another one ([`Launcher`](crate::Launcher)). Then it serves the clients that had already connected, and the
    /// calls that clients sent before they learned of the end. It ends when it has answered all of them.
    ///
    /// Default: the server does not end by itself.
    pub fn exit_when_idle(mut self, after: Duration) -> Self {
        self.ending.idle = Some(after);
        self
    }
}
