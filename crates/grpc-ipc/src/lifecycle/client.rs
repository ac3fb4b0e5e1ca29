//! The client's side of `grpc.ipc.v1.Lifecycle`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::messages::{self, DESCRIBE, DescribeRequest, LEAVE, LeaveRequest, LeaveResponse};
use crate::Channel;

/// What a server says about itself: what [`Channel::describe`] returns.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Description {
    /// The name of the program.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// The number of its process, in the server's own pid namespace.
    pub pid: u32,
    /// When the server was built.
    pub started: SystemTime,
}

impl Channel {
    /// Asks the server which program it is.
    ///
    /// # Errors
    /// [`Unimplemented`](tonic::Code::Unimplemented) when the server has not called
    /// [`Server::announce`](crate::Server::announce); otherwise as of any call.
    pub async fn describe(&self) -> Result<Description, Status> {
        let said: messages::Description = self.unary(DESCRIBE, DescribeRequest {}).await?;
        let started = UNIX_EPOCH + Duration::from_millis(said.started_ms.try_into().unwrap_or(0));
        Ok(Description { name: said.name, version: said.version, pid: said.pid, started })
    }

    /// Asks the server to give up its address, finish the calls that are under way, and end. This returns when the server
    /// has begun to. With a `pid`, only the server that is this process does.
    ///
    /// # Errors
    /// [`PermissionDenied`](tonic::Code::PermissionDenied) when this is neither the server's user nor the system,
    /// [`Unimplemented`](tonic::Code::Unimplemented) when the server never leaves, and
    /// [`FailedPrecondition`](tonic::Code::FailedPrecondition) when it is another process; otherwise as of any call.
    pub async fn ask_to_leave(&self, pid: Option<u32>) -> Result<(), Status> {
        let _: LeaveResponse = self.unary(LEAVE, LeaveRequest { pid: pid.unwrap_or(0) }).await?;
        Ok(())
    }

    async fn unary<M, R>(&self, path: &'static str, message: M) -> Result<R, Status>
    where
        M: Message + Send + Sync + 'static,
        R: Message + Default + Send + Sync + 'static,
    {
        let mut client = Grpc::new(self.clone());
        client.ready().await?;
        let path = PathAndQuery::from_static(path);
        let codec = ProstCodec::<M, R>::default();
        Ok(client.unary(Request::new(message), path, codec).await?.into_inner())
    }
}
