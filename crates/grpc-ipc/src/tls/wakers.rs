use std::sync::Arc;
use std::task::{Context, Wake, Waker};

/// Whoever reads and whoever writes, which may be two tasks that wait for the same thing: the transport wakes only the
/// one that has asked last.
#[derive(Default)]
pub(super) struct Wakers {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Wakers {
    pub(super) fn reads(&mut self, cx: &Context<'_>) {
        set(&mut self.reader, cx);
    }

    pub(super) fn writes(&mut self, cx: &Context<'_>) {
        set(&mut self.writer, cx);
    }

    /// Wakes both.
    pub(super) fn both(&self) -> Waker {
        match (&self.reader, &self.writer) {
            (Some(reader), Some(writer)) if !reader.will_wake(writer) => {
                Arc::new(Both(reader.clone(), writer.clone())).into()
            }
            (Some(one), _) | (None, Some(one)) => one.clone(),
            (None, None) => Waker::noop().clone(),
        }
    }
}

fn set(waker: &mut Option<Waker>, cx: &Context<'_>) {
    if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        *waker = Some(cx.waker().clone());
    }
}

struct Both(Waker, Waker);

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake_by_ref();
        self.1.wake_by_ref();
    }
}
