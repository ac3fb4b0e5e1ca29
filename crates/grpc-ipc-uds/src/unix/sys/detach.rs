use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process_group};

/// Starts the program of `command` in its own session, without this terminal and out of reach of the signals that the
/// terminal sends.
#[expect(unsafe_code, reason = "the standard library has only process groups")]
pub fn detach(command: &mut Command) {
    // SAFETY: the closure only calls setsid(2), which may be called between fork and exec (signal-safety(7)).
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            Ok(())
        });
    }
}

/// Kills a process that was started [detached](detach), together with the processes that it started, such as the real
/// program if this is a script that waits for it. Its exit status must not have been collected yet.
///
/// # Errors
/// The error of the system.
pub fn kill_detached(child: &Child) -> io::Result<()> {
    Ok(kill_process_group(Pid::from_child(child), Signal::KILL)?)
}
