//! Calls at a constant rate, by a timer that is more precise than tokio's, which has a resolution of a millisecond.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{Client, Latencies, Result};

/// How long to wait for the calls that have begun.
const PATIENCE: Duration = Duration::from_secs(10);

/// Begins `rate` calls per second. The latency of a call counts from when it should have begun.
pub(crate) async fn run<C: Client>(
    client: &C,
    payload: &Bytes,
    rate: u32,
    duration: Duration,
) -> Result<Option<Latencies>> {
    if client.another().is_none() {
        return Ok(None);
    }
    let interval = Duration::from_secs(1) / rate;
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let every = Timespec { tv_sec: interval.as_secs().try_into()?, tv_nsec: interval.subsec_nanos().into() };
    let begin = Instant::now();
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: every, it_value: every })?;
    #[expect(deprecated, reason = "an `OwnedFd` stays open, as its replacement demands without checking")]
    let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;

    let calls = (duration.as_secs_f64() * f64::from(rate)) as u32;
    let mut running = JoinSet::new();
    let mut begun = 0;
    while begun < calls {
        let mut ready = timer.readable().await?;
        let mut expirations = [0; 8];
        // The number does not matter: calls begin by the clock.
        _ = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut expirations)?));
        while begun < calls && begin.elapsed() >= interval * (begun + 1) {
            let due = begin + interval * (begun + 1);
            let Some(mut client) = client.another() else { return Ok(None) };
            let payload = payload.clone();
            running.spawn(async move {
                client.echo(&payload).await?;
                Result::Ok(due.elapsed())
            });
            begun += 1;
        }
    }
    let mut latencies = Latencies::default();
    let all = async {
        while let Some(call) = running.join_next().await {
            latencies.push(call??);
        }
        Result::Ok(())
    };
    timeout(PATIENCE, all).await.map_err(|_| format!("cannot make {rate} calls per second"))??;
    Ok(Some(latencies))
}
