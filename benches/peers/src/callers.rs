use bytes::Bytes;
use tokio::task::JoinSet;

use crate::{Result, Stack, Until};

/// Implements [`Stack::echo_many`] for a client whose clones share one connection, with one task for each call in
/// flight.
///
/// # Errors
///
/// The error of the first call that failed.
pub async fn echo_in_tasks<S>(client: &S, payload: &Bytes, in_flight: u64, until: Until) -> Result<u64>
where
    S: Stack + Clone + Send + 'static,
{
    let mut callers = JoinSet::new();
    for caller in 0..in_flight {
        let (mut client, payload) = (client.clone(), payload.clone());
        let until = match until {
            Until::Count(count) => Until::Count(count / in_flight + u64::from(caller < count % in_flight)),
            Until::Instant(_) => until,
        };
        callers.spawn(async move {
            let mut made = 0;
            while !until.reached(made) {
                client.echo(&payload).await?;
                made += 1;
            }
            Result::Ok(made)
        });
    }
    let mut made = 0;
    while let Some(caller) = callers.join_next().await {
        made += caller??;
    }
    Ok(made)
}
