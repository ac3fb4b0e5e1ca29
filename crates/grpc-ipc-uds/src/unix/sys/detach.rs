use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process_group};

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

/// Kills a process that was started [detached](detach), with what it has started itself: the real program, if this is a script
/// that waits for it. Its exit status must not have been taken yet.
///
/// # Errors
/// The error of the system.
pub fn kill_detached(child: &Child) -> io::Result<()> {
    Ok(kill_process_group(Pid::from_child(child), Signal::KILL)?)
}
