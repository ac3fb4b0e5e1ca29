//! The server's side of `grpc.ipc.v1.Lifecycle`.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use grpc_ipc_core::{AccessPolicy, Peer};
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower_service::Service;

use super::announcement::Announced;
use super::messages::{DESCRIBE, DescribeRequest, Description, LEAVE, LeaveRequest, LeaveResponse, SERVICE};

#[derive(Clone)]
pub(super) struct LifecycleServer {
    announced: Arc<Announced>,
}

impl LifecycleServer {
    pub(super) fn new(announced: Arc<Announced>) -> Self {
        Self { announced }
    }
}

impl NamedService for LifecycleServer {
    const NAME: &'static str = SERVICE;
}

impl Service<http::Request<Body>> for LifecycleServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let announced = Arc::clone(&self.announced);
        Box::pin(async move {
            Ok(match request.uri().path() {
                DESCRIBE => Grpc::new(ProstCodec::default()).unary(Describe(announced), request).await,
                LEAVE => Grpc::new(ProstCodec::default()).unary(Leave(announced), request).await,
                path => Status::unimplemented(format!("{SERVICE} has no method {path}")).into_http(),
            })
        })
    }
}

struct Describe(Arc<Announced>);

impl UnaryService<DescribeRequest> for Describe {
    type Response = Description;
    type Future = BoxFuture<'static, Result<Response<Description>, Status>>;

    fn call(&mut self, _: Request<DescribeRequest>) -> Self::Future {
        let description = self.0.description.clone();
        Box::pin(async move { Ok(Response::new(description)) })
    }
}

struct Leave(Arc<Announced>);

impl UnaryService<LeaveRequest> for Leave {
    type Response = LeaveResponse;
    type Future = BoxFuture<'static, Result<Response<LeaveResponse>, Status>>;

    fn call(&mut self, request: Request<LeaveRequest>) -> Self::Future {
        let announced = Arc::clone(&self.0);
        Box::pin(async move {
            if !announced.allow_leave {
                return Err(Status::unimplemented("this server does not leave on request"));
            }
            let allowed = match request.extensions().get::<Peer>() {
                Some(peer) => AccessPolicy::same_user_or_system().check(peer).await.is_ok(),
                None => false,
            };
            if !allowed {
                return Err(Status::permission_denied(
                    "only the server's user and the system may ask it to leave",
                ));
            }
            let (meant, own) = (request.get_ref().pid, announced.description.pid);
            if meant != 0 && meant != own {
                return Err(Status::failed_precondition(format!("this is process {own}, not {meant}")));
            }
            announced.ask_to_leave().await;
            Ok(Response::new(LeaveResponse {}))
        })
    }
}
