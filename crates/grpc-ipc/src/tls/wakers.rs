use std::sync::Arc;
use std::task::{Context, Wake, Waker};

/// The reading and the writing task, which may both wait for the transport. The transport wakes only the one that
/// polled last.
#[derive(Default)]
pub(super) struct Wakers {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// One of the two.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Reader,
    Writer,
}

impl Wakers {
    pub(super) fn set(&mut self, side: Side, cx: &Context<'_>) {
        let waker = match side {
            Side::Reader => &mut self.reader,
            Side::Writer => &mut self.writer,
        };
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// Ends the wait. `side` is running; the other one is woken.
    pub(super) fn wake_other(&mut self, side: Side) {
        let Self { reader, writer } = std::mem::take(self);
        let other = match side {
            Side::Reader => writer,
            Side::Writer => reader,
        };
        if let Some(other) = other {
            other.wake();
        }
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
