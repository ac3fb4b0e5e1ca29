//! The client's side of `grpc.ipc.v1.Lifecycle`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::messages::{self, DESCRIBE, DescribeRequest, LEAVE, LeaveRequest, LeaveResponse};
use crate::Channel;

/// A server's description of itself, returned by [`Channel::describe`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Description {
    /// The name of the program.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// Its process id, in the server's own pid namespace.
    pub pid: u32,
    /// The time at which the server was built.
    pub started: SystemTime,
}

impl Channel {
    /// Asks the server for its name, version and process.
    ///
    /// # Errors
    /// [`Unimplemented`](tonic::Code::Unimplemented) if the server does not [announce](crate::Server::announce) itself,
    /// and the errors of any call.
    pub async fn describe(&self) -> Result<Description, Status> {
        let said: messages::Description = self.unary(DESCRIBE, DescribeRequest {}).await?;
        let started = UNIX_EPOCH + Duration::from_millis(said.started_ms.try_into().unwrap_or(0));
        Ok(Description { name: said.name, version: said.version, pid: said.pid, started })
    }

    /// Asks the server to give up its address, finish its running calls, and end. Returns when the server has given up
    /// its address, so a client that connects afterwards finds no server, or the next one. With a `pid`, the server
    /// leaves only if it is that process.
    ///
    /// # Errors
    /// - [`PermissionDenied`](tonic::Code::PermissionDenied) if the caller is neither the server's user nor the system
    /// - [`Unimplemented`](tonic::Code::Unimplemented) if the server never leaves when asked
    /// - [`FailedPrecondition`](tonic::Code::FailedPrecondition) if the server is not the process `pid`
    /// - the errors of any call
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
