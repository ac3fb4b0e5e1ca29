//! The service. Its tests are in `tests/alarm.rs`.

use std::time::Duration;

use grpc_ipc::tonic::{Request, Response, Status, async_trait};
use grpc_ipc::{Peer, Server, UserId};
use tokio::time::{Instant, sleep};

pub mod alarm {
    grpc_ipc::include_proto!("alarm");
}

use alarm::alarm_server::{Alarm, AlarmServer};
use alarm::{ClearRequest, Cleared, Ring, Timer};

// ANCHOR: server
/// The program's server, without an address: `main` listens on one, and the tests use memory.
pub fn server() -> Server {
    Server::builder().add_service(AlarmServer::new(MyAlarm))
}
// ANCHOR_END: server

struct MyAlarm;

#[async_trait]
impl Alarm for MyAlarm {
    async fn set(&self, request: Request<Timer>) -> Result<Response<Ring>, Status> {
        let begun = Instant::now();
        sleep(Duration::from_secs(request.into_inner().seconds)).await;
        Ok(Response::new(Ring { after_seconds: begun.elapsed().as_secs() }))
    }

    async fn clear(&self, request: Request<ClearRequest>) -> Result<Response<Cleared>, Status> {
        let user = request.extensions().get::<Peer>().and_then(Peer::user);
        match user {
            Some(UserId::Uid(0)) => Ok(Response::new(Cleared {})),
            _ => Err(Status::permission_denied("only root clears timers")),
        }
    }
}
