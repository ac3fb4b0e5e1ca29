use std::time::Duration;

use grpc_ipc_proto::testing::Empty;
use tonic::{Code, Request};

use super::{Failure, Scene, Transport, check_works};
use crate::cases::failure::check_status;

/// The client sends each in another unit.
pub(in crate::cases) async fn deadlines<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    const HOUR: u64 = 3600;
    let seconds = [5, 100, 3 * HOUR, 30 * 24 * HOUR].map(Duration::from_secs);
    for timeout in [Duration::from_millis(50)].into_iter().chain(seconds) {
        // A busy machine may need longer than the shortest of them.
        let mut attempts = if timeout.as_secs() == 0 { 20 } else { 1 };
        let outcome = loop {
            let outcome = scene.client().empty_call(with_timeout(timeout)).await;
            attempts -= 1;
            if outcome.is_ok() || attempts == 0 {
                break outcome;
            }
        };
        outcome?;
    }
    Ok(())
}

pub(in crate::cases) async fn deadline_passed<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    let outcome = scene.client().empty_call(with_timeout(Duration::ZERO)).await;
    check_status("the call", outcome, Code::DeadlineExceeded)?;
    check_works(scene.client()).await
}

fn with_timeout(timeout: Duration) -> Request<Empty> {
    let mut request = Request::new(Empty {});
    request.set_timeout(timeout);
    request
}
