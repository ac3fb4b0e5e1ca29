//! The library's log.

use std::fmt::{Debug, Write as _};
use std::sync::{Mutex, Once};

use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

static EVENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static MORE: Notify = Notify::const_new();

/// Records the warnings of all tests of this program from now on.
pub(crate) fn record() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Recorder).unwrap());
}

/// Waits for an event that contains all of `parts`.
pub(crate) async fn logged(parts: &[&str]) -> String {
    loop {
        let more = MORE.notified();
        tokio::pin!(more);
        more.as_mut().enable();
        let found = EVENTS
            .lock()
            .unwrap()
            .iter()
            .find(|event| parts.iter().all(|part| event.contains(part)))
            .cloned();
        match found {
            Some(event) => return event,
            None => more.await,
        }
    }
}

struct Recorder;

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        EVENTS.lock().unwrap().push(text.0);
        MORE.notify_waiters();
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        _ = write!(self.0, "{field}={value:?} ");
    }
}
