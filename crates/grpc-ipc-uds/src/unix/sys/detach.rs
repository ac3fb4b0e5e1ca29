use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Has the program that `command` starts run in a session of its own: without this terminal, and out of reach of the signals
/// that the terminal sends.
#[expect(unsafe_code, reason = "the standard library has only process groups")]
pub fn detach(command: &mut Command) {
    // SAFETY: the closure calls setsid(2) and nothing else, and that may be called between fork and exec (signal-safety(7)).
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            Ok(())
        });
    }
}
