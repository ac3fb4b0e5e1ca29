use std::time::Instant;

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::{Latencies, Result, Until};

/// The client of a stack, with one connection. A method returns `None` if the stack does not have that kind of call.
pub trait Client: Send + Sized + 'static {
    /// Makes one call with `payload`, and checks that the response has its length.
    fn echo(&mut self, payload: &Bytes) -> impl Future<Output = Result> + Send;

    /// Makes calls until `until`, `in_flight` at a time.
    fn echo_many(
        &mut self,
        payload: &Bytes,
        in_flight: u64,
        until: Until,
    ) -> impl Future<Output = Result<Option<Latencies>>>;

    /// Another handle of the same connection, to make calls at the same time.
    fn another(&self) -> Option<Self> {
        None
    }

    /// Receives `count` messages of `size` bytes that the server sends as fast as it can.
    fn download(
        &mut self,
        _count: u32,
        _size: u32,
        _awaited: bool,
    ) -> impl Future<Output = Result<Option<()>>> {
        async { Ok(None) }
    }

    /// Sends `count` messages, and waits until the server has counted them.
    fn upload(
        &mut self,
        _count: u32,
        _payload: &Bytes,
        _awaited: bool,
    ) -> impl Future<Output = Result<Option<()>>> {
        async { Ok(None) }
    }

    /// Sends a message on an open stream and waits for its answer, one after the other.
    fn exchange(
        &mut self,
        _payload: &Bytes,
        _until: Until,
    ) -> impl Future<Output = Result<Option<Latencies>>> {
        async { Ok(None) }
    }
}

/// Implements [`Client::echo_many`] for a client whose clones share one connection, with one task for each call in
/// flight.
///
/// # Errors
///
/// The error of the first call that failed.
pub async fn echo_in_tasks<C: Client + Clone>(
    client: &C,
    payload: &Bytes,
    in_flight: u64,
    until: Until,
) -> Result<Option<Latencies>> {
    let mut callers = JoinSet::new();
    for caller in 0..in_flight {
        let (mut client, payload) = (client.clone(), payload.clone());
        let until = match until {
            Until::Count(count) => Until::Count(count / in_flight + u64::from(caller < count % in_flight)),
            Until::Instant(_) => until,
        };
        callers.spawn(async move {
            let mut latencies = Latencies::default();
            let mut begin = Instant::now();
            while !until.reached(latencies.count(), begin) {
                client.echo(&payload).await?;
                // The clock is read once a call, because that takes time as well.
                let end = Instant::now();
                latencies.push(end - begin);
                begin = end;
            }
            Result::Ok(latencies)
        });
    }
    let mut latencies = Latencies::default();
    while let Some(caller) = callers.join_next().await {
        latencies.extend(caller??);
    }
    Ok(Some(latencies))
}
