use tonic::{Response, Status};

use super::engine::{self, CannotBlock};
use super::{Cancellation, Streaming};

/// Waits for a call, and ends the call if it is cancelled first.
pub(crate) fn call<R>(
    call: impl Future<Output = Result<R, Status>>,
    cancellation: Option<&Cancellation>,
) -> Result<R, Status> {
    let done = match cancellation {
        None => engine::block_on(call),
        Some(cancellation) => engine::block_on(async {
            tokio::select! {
                biased;
                () = cancellation.cancelled() => Err(cancelled()),
                done = call => done,
            }
        }),
    };
    let done = done.unwrap_or_else(|error: CannotBlock| Err(error.into_status()));
    if done.is_err() {
        // The server may not know yet that the call was given up.
        engine::wake();
    }
    done
}

pub(crate) fn streaming<R>(
    response: Response<tonic::Streaming<R>>,
    cancellation: Option<Cancellation>,
) -> Response<Streaming<R>> {
    response.map(|messages| Streaming::new(messages, cancellation))
}

fn cancelled() -> Status {
    Status::cancelled("the caller cancelled the call")
}
