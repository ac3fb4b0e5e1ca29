use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle as _, FromRawHandle as _, OwnedHandle};

use windows_sys::Win32::Foundation::{FALSE, FILETIME, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::SystemInformation::GetSystemTimeAsFileTime;
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, WaitForSingleObject,
};

const NO_TIME: FILETIME = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };

/// The process that has this id now, to query it and to wait for its end.
///
/// # Errors
/// If there is none, or this process may not open it.
pub fn open_process(pid: u32) -> io::Result<OwnedHandle> {
    open(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE)
}

/// The process that has this id now, with as much access as `rights` say.
pub(super) fn open(pid: u32, rights: u32) -> io::Result<OwnedHandle> {
    // SAFETY: the call takes numbers.
    let process = unsafe { OpenProcess(rights, FALSE, pid) };
    if process.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just opened, and nothing else owns it.
    Ok(unsafe { OwnedHandle::from_raw_handle(process) })
}

/// When a process was created, in steps of 100 ns.
///
/// # Errors
/// When the handle does not give the right to ask.
pub fn creation_time(process: &impl AsHandle) -> io::Result<u64> {
    let process = process.as_handle();
    let [mut created, mut ended, mut kernel, mut user] = [NO_TIME; 4];
    // SAFETY: the handle is open as long as it is borrowed, and was opened with the right that this takes; the call writes
    // four times.
    super::check(unsafe {
        GetProcessTimes(
            process.as_raw_handle(),
            &raw mut created,
            &raw mut ended,
            &raw mut kernel,
            &raw mut user,
        )
    })?;
    Ok(number(created))
}

/// Now, on the clock that dates processes, in steps of 100 ns. It does not run ahead, as the precise one does.
pub fn system_time() -> u64 {
    let mut now = NO_TIME;
    // SAFETY: the call writes one time.
    unsafe { GetSystemTimeAsFileTime(&raw mut now) };
    number(now)
}

/// Whether a process has not ended.
///
/// # Errors
/// When the handle does not give the right to wait.
pub fn is_running(process: &impl AsHandle) -> io::Result<bool> {
    // SAFETY: the handle is open as long as it is borrowed; nothing is waited for.
    match unsafe { WaitForSingleObject(process.as_handle().as_raw_handle(), 0) } {
        WAIT_TIMEOUT => Ok(true),
        WAIT_OBJECT_0 => Ok(false),
        _ => Err(io::Error::last_os_error()),
    }
}

fn number(time: FILETIME) -> u64 {
    u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)
}
