//! Win32 calls that only the tests need.
#![cfg(windows)]
#![expect(unsafe_code, reason = "no library makes these calls safe")]

use std::os::windows::io::{AsHandle, AsRawHandle as _};

use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount, GetProcessId};

/// How many handles this process has open.
pub(crate) fn handles_of_this_process() -> u32 {
    let mut count = 0;
    // SAFETY: GetCurrentProcess returns a pseudo handle; the call writes one number.
    let succeeded = unsafe { GetProcessHandleCount(GetCurrentProcess(), &raw mut count) };
    assert_ne!(succeeded, 0, "{}", std::io::Error::last_os_error());
    count
}

/// The id of the process that a handle names.
pub(crate) fn process_id(process: &impl AsHandle) -> u32 {
    // SAFETY: the handle is open as long as it is borrowed.
    unsafe { GetProcessId(process.as_handle().as_raw_handle()) }
}
