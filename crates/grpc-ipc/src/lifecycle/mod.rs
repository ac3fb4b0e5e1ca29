//! The end of a server: when it is asked to leave, and when nobody needs it.

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
    /// Adds the service `grpc.ipc.v1.Lifecycle`, which tells clients the program's name, version and process
    /// ([`Channel::describe`](crate::Channel::describe)), and lets the same user ask the server to leave
    /// ([`Channel::ask_to_leave`](crate::Channel::ask_to_leave)). A [`Launcher`](crate::Launcher) that requires a version
    /// needs it. Layers apply to it as to every service: an [`Authorize`](crate::Authorize) has to name its methods.
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

    /// Ends the server when there has been no call and no new connection for this long: [`serve`](Self::serve) returns
    /// `Ok`. An open connection without calls does not keep a server, because a [`Channel`](crate::Channel) keeps its
    /// connection for ever; it is told to go away, and its next call connects anew. A call under way keeps the server,
    /// however long it takes. The server looks eight times in this duration, so it may end a quarter later. For its first
    /// client it waits at least 5 seconds, because whoever has started it may need them.
    ///
    /// No call is lost. The server first gives up its addresses, so that the next client finds nobody and can start another
    /// one ([`Launcher`](crate::Launcher)). Then it serves those who had connected before, and calls that were sent before
    /// their client heard that the server leaves. It ends when all of them are answered.
    ///
    /// Default: the server stays.
    pub fn exit_when_idle(mut self, after: Duration) -> Self {
        self.ending.idle = Some(after);
        self
    }
}
