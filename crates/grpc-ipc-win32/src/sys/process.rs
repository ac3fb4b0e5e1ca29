use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle as _, FromRawHandle as _, OwnedHandle};

use windows_sys::Win32::Foundation::{FALSE, FILETIME, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::SystemInformation::GetSystemTimeAsFileTime;
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, WaitForSingleObject,
};

const NO_TIME: FILETIME = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };

/// Opens the process that has this id now, to query it and to wait for its end.
///
/// # Errors
/// If there is no such process, or this process may not open it.
pub fn open_process(pid: u32) -> io::Result<OwnedHandle> {
    open(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE)
}

/// Opens the process that has this id now, with the access in `rights`.
pub(super) fn open(pid: u32, rights: u32) -> io::Result<OwnedHandle> {
    // SAFETY: the call takes only numbers.
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
/// If the handle does not have the right to query.
pub fn creation_time(process: &impl AsHandle) -> io::Result<u64> {
    let process = process.as_handle();
    let [mut created, mut ended, mut kernel, mut user] = [NO_TIME; 4];
    // SAFETY: the handle is open while it is borrowed, and was opened with the required right; the call writes four
    // times.
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

/// The current time of the clock that dates processes, in steps of 100 ns. Unlike the precise clock, it does not run
/// ahead.
pub fn system_time() -> u64 {
    let mut now = NO_TIME;
    // SAFETY: the call writes one time.
    unsafe { GetSystemTimeAsFileTime(&raw mut now) };
    number(now)
}

/// Whether a process is still running.
///
/// # Errors
/// If the handle does not have the right to wait.
pub fn is_running(process: &impl AsHandle) -> io::Result<bool> {
    // SAFETY: the handle is open while it is borrowed; the call does not wait.
    match unsafe { WaitForSingleObject(process.as_handle().as_raw_handle(), 0) } {
        WAIT_TIMEOUT => Ok(true),
        WAIT_OBJECT_0 => Ok(false),
        _ => Err(io::Error::last_os_error()),
    }
}

fn number(time: FILETIME) -> u64 {
    u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)
}
