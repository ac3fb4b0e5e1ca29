//! The server: its access rules, and its service.

use std::pin::Pin;
use std::time::Duration;

use grpc_ipc::tonic::{Request, Response, Status, async_trait};
use grpc_ipc::windows::{ListenOptionsExt as _, SecurityDescriptor};
use grpc_ipc::{AccessPolicy, GroupId, ListenOptions, Server};
use tokio_stream::{Stream, StreamExt as _};

use crate::updater::updater_server::{Updater, UpdaterServer};
use crate::updater::{Package, Progress};

/// Only SYSTEM and administrators can create pipes below this prefix, so no other program can take the name first.
pub const ADDRESS: &str = r"npipe:ProtectedPrefix\*\grpc-ipc-updater";

/// The SID of NT AUTHORITY\Authenticated Users, whose name depends on the language of Windows.
const AUTHENTICATED_USERS: &str = "S-1-5-11";

pub fn server(address: &str) -> Server {
    // Windows checks the descriptor when a client opens the pipe. The server then checks the policy.
    let descriptor = SecurityDescriptor::current_user().authenticated_users();
    let users = AccessPolicy::groups([GroupId::Sid(AUTHENTICATED_USERS.into())]);
    let access = AccessPolicy::default().or(users);
    let options = ListenOptions::new(address).access(access).descriptor(descriptor);
    Server::builder().add_service(UpdaterServer::new(MyUpdater)).listen(options)
}

struct MyUpdater;

#[async_trait]
impl Updater for MyUpdater {
    type InstallStream = Pin<Box<dyn Stream<Item = Result<Progress, Status>> + Send>>;

    async fn install(&self, _: Request<Package>) -> Result<Response<Self::InstallStream>, Status> {
        // Placeholder for the installation.
        let steps = tokio_stream::iter((1..=10).map(|step| Ok(Progress { percent: 10 * step })));
        Ok(Response::new(Box::pin(steps.throttle(Duration::from_millis(100)))))
    }
}
