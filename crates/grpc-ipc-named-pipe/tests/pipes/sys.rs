//! A Win32 call that only the tests need.
#![cfg(windows)]
#![expect(unsafe_code, reason = "no library makes this call safe")]

use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount};

/// How many handles this process has open.
pub(crate) fn handles_of_this_process() -> u32 {
    let mut count = 0;
    // SAFETY: GetCurrentProcess returns a pseudo handle; the call writes one number.
    let succeeded = unsafe { GetProcessHandleCount(GetCurrentProcess(), &raw mut count) };
    assert_ne!(succeeded, 0, "{}", std::io::Error::last_os_error());
    count
}
