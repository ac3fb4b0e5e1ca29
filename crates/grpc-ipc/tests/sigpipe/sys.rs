#![expect(unsafe_code, reason = "no library sets the action of a signal without a handler")]

/// Gives SIGPIPE its default action, which ends the process. A Rust program ignores SIGPIPE before its `main`.
pub(crate) fn restore_sigpipe() {
    // SAFETY: signal(2) takes any signal and SIG_DFL. No handler is installed, so nothing of it has to be
    // async-signal-safe.
    let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    assert_eq!(before, libc::SIG_IGN);
}
