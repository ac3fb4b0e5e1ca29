//! The signals that ask this process to end.

pub(crate) use platform::StopSignals;

#[cfg(unix)]
mod platform {
    use std::io;
    use std::task::{Context, Poll};

    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub(crate) struct StopSignals([Signal; 2]);

    impl StopSignals {
        pub(crate) fn register() -> io::Result<Self> {
            Ok(Self([signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?]))
        }

        pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            match self.0.iter_mut().any(|signal| signal.poll_recv(cx).is_ready()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }
    }
}

#[cfg(windows)]
mod platform {
    use std::io;
    use std::task::{Context, Poll};

    use tokio::signal::windows::{
        CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_logoff,
        ctrl_shutdown,
    };

    pub(crate) struct StopSignals(CtrlC, CtrlBreak, CtrlClose, CtrlLogoff, CtrlShutdown);

    impl StopSignals {
        pub(crate) fn register() -> io::Result<Self> {
            Ok(Self(ctrl_c()?, ctrl_break()?, ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?))
        }

        pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            let stopped = self.0.poll_recv(cx).is_ready()
                || self.1.poll_recv(cx).is_ready()
                || self.2.poll_recv(cx).is_ready()
                || self.3.poll_recv(cx).is_ready()
                || self.4.poll_recv(cx).is_ready();
            if stopped { Poll::Ready(()) } else { Poll::Pending }
        }
    }
}

#[cfg(not(any(unix, windows)))]
mod platform {
    use std::io;
    use std::task::{Context, Poll};

    pub(crate) enum StopSignals {}

    impl StopSignals {
        pub(crate) fn register() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(crate) fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
            match *self {}
        }
    }
}
