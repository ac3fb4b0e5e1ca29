use std::io::{self, stderr, stdin, stdout};
use std::os::windows::io::AsRawHandle as _;
use std::process::{Child, Command};
use std::sync::{Mutex, PoisonError};

use windows_sys::Win32::Foundation::{
    GetHandleInformation, HANDLE, HANDLE_FLAG_INHERIT, SetHandleInformation,
};

/// Starts a program that does not inherit this one's standard streams.
///
/// A program whose own streams are redirected inherits every inheritable handle of this process. The standard streams
/// are inheritable if the parent redirected them. A reader of this program's output through a pipe would then wait
/// until the other program has ended, too.
///
/// During the call, programs that other threads start cannot inherit the streams either, except through the standard
/// library, which passes copies.
///
/// # Errors
/// Those of [`Command::spawn`].
pub fn spawn_apart(command: &mut Command) -> io::Result<Child> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let _kept = [stdin().as_raw_handle(), stdout().as_raw_handle(), stderr().as_raw_handle()].map(Kept::new);
    command.spawn()
}

/// Makes a handle non-inheritable until this is dropped, if it was inheritable before.
struct Kept(Option<HANDLE>);

impl Kept {
    fn new(handle: HANDLE) -> Self {
        let mut flags = 0;
        // SAFETY: a standard stream's handle stays open, or the call fails; it writes one number.
        let known = unsafe { GetHandleInformation(handle, &raw mut flags) } != 0;
        let inherited = known && flags & HANDLE_FLAG_INHERIT != 0;
        // SAFETY: as above. The call only changes whether the handle is inherited.
        let kept = inherited && unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0) } != 0;
        Self(kept.then_some(handle))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(handle) = self.0 {
            // SAFETY: as in `new`.
            unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) };
        }
    }
}
