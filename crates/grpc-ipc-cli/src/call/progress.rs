//! How much of a long call has passed, on a terminal.

use std::future::pending;
use std::io::{self, IsTerminal as _, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use grpc_ipc::tonic::Status;
use grpc_ipc::tonic::body::Body;
use grpc_ipc::tonic::codegen::http::{Request, Response};
use grpc_ipc::tonic::codegen::{Bytes, Service};
use grpc_ipc::{CallBody, Channel};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, interval_at};

/// Shorter calls show nothing.
const AFTER: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(250);
/// And so do calls that move less, such as those that watch something.
const FROM: u64 = 1 << 20;

/// Counts the bytes of a call.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<Counts>);

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
    is_shown: AtomicBool,
}

impl Progress {
    /// A channel whose calls are counted.
    pub(super) fn watch(&self, channel: Channel) -> Watched {
        Watched { channel, progress: self.clone() }
    }

    /// Shows the counts from time to time, if somebody looks at standard error. It never ends.
    pub(super) async fn show(&self) {
        if !io::stderr().is_terminal() {
            return pending().await;
        }
        let mut interval = interval_at(Instant::now() + AFTER, INTERVAL);
        loop {
            interval.tick().await;
            let (sent, received) = (&self.0.sent, &self.0.received);
            let (sent, received) = (sent.load(Ordering::Relaxed), received.load(Ordering::Relaxed));
            if sent + received < FROM {
                continue;
            }
            eprint!("\r\x1b[K{} sent, {} received", size(sent), size(received));
            _ = io::stderr().flush();
            self.0.is_shown.store(true, Ordering::Relaxed);
        }
    }

    /// Removes what is shown when it is dropped.
    pub(super) fn hidden_at_the_end(&self) -> impl Drop + use<> {
        Hidden(self.clone())
    }

    /// Removes what is shown, before something else is printed.
    pub(super) fn hide(&self) {
        if self.0.is_shown.swap(false, Ordering::Relaxed) {
            eprint!("\r\x1b[K");
        }
    }
}

struct Hidden(Progress);

impl Drop for Hidden {
    fn drop(&mut self) {
        self.0.hide();
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut rest = bytes as f64;
    let mut unit = "bytes";
    for next in UNITS {
        if rest < 1024.0 {
            break;
        }
        rest /= 1024.0;
        unit = next;
    }
    if unit == "bytes" { format!("{bytes} bytes") } else { format!("{rest:.1} {unit}") }
}

/// A channel whose calls are counted.
pub(super) struct Watched {
    channel: Channel,
    progress: Progress,
}

impl Service<Request<Body>> for Watched {
    type Response = Response<Counted<CallBody>>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Progress(counts) = &self.progress;
        let sent =
            |body| Body::new(Counted { body, counts: Arc::clone(counts), which: |counts| &counts.sent });
        let response = self.channel.call(request.map(sent));
        let counts = Arc::clone(counts);
        Box::pin(async move {
            Ok(response.await?.map(|body| Counted { body, counts, which: |counts| &counts.received }))
        })
    }
}

/// A body whose bytes are counted.
pub(super) struct Counted<B> {
    body: B,
    counts: Arc<Counts>,
    which: fn(&Counts) -> &AtomicU64,
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            (self.which)(&self.counts).fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(3 << 30), "3.0 GiB");
    }
}
