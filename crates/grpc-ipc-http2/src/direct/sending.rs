//! The task that sends the messages of a stream.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Batch, Messages};
use crate::panics;
use crate::shared::{Part, SendStream};

/// Sends messages as they become available and as the peer takes them, until they or the call end.
pub(crate) struct Sending<M> {
    // Dropped before the stream, whose drop marks the call as no longer running.
    messages: M,
    batch: Batch,
    stream: SendStream,
    /// Whether more can be sent, as far as is known. Messages that are already available need not check again.
    has_room: bool,
    /// Set if data is left to write; `true` if the output was empty before.
    unwritten: Option<bool>,
    /// The method that is answered, or `None` for the messages of a request.
    method: Option<&'static str>,
}

impl<M: Messages> Sending<M> {
    /// Sends the rest after the beginning, which may be `unwritten`.
    pub(crate) fn new(
        messages: M,
        batch: Batch,
        stream: SendStream,
        unwritten: Option<bool>,
        method: Option<&'static str>,
    ) -> Self {
        Self { messages, batch, stream, has_room: false, unwritten, method }
    }
}

impl<M: Messages> Future for Sending<M> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        catch_unwind(AssertUnwindSafe(|| this.poll_send(cx))).unwrap_or_else(|panic| match this.method {
            Some(method) => {
                panics::log(method, &*panic);
                this.stream.send(|connection, id| connection.end_panicked(id, method));
                Poll::Ready(())
            }
            None => resume_unwind(panic),
        })
    }
}

impl<M: Messages> Sending<M> {
    #[inline]
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { messages, batch, stream, has_room, unwritten, method: _ } = self;
        loop {
            let had_room = *has_room;
            let polled = if had_room { messages.poll(cx, batch) } else { Poll::Pending };
            let goes_on = match polled {
                Poll::Ready(Some(ending)) => {
                    stream.send(|connection, id| connection.send_last(id, batch, ending));
                    return Poll::Ready(());
                }
                Poll::Ready(None) => true,
                Poll::Pending => false,
            };
            let part = stream.send_part(cx, batch, unwritten, goes_on);
            *has_room = matches!(part, Part::HasRoom);
            match part {
                Part::HasRoom if goes_on || !had_room => {}
                Part::HasRoom | Part::Waits => {
                    batch.shrink();
                    return Poll::Pending;
                }
                Part::Over => return Poll::Ready(()),
                Part::Late => {
                    stream.send(|connection, id| connection.end_late(id));
                    return Poll::Ready(());
                }
            }
        }
    }
}
