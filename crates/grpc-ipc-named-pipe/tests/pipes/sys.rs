//! Win32 calls that only the tests need.
#![cfg(windows)]
#![expect(unsafe_code, reason = "no library makes these calls safe")]

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle as _};
use std::ptr::null_mut;

use windows_sys::Win32::Security::{
    CheckTokenMembership, CreateWellKnownSid, SECURITY_MAX_SID_SIZE, WinBuiltinAdministratorsSid,
};
use windows_sys::Win32::System::Threading::GetProcessId;

/// Whether this process may act as one of the Administrators.
pub(crate) fn is_administrator() -> bool {
    let mut sid = [0_u64; (SECURITY_MAX_SID_SIZE as usize).div_ceil(size_of::<u64>())];
    let (mut length, mut is_member) = (SECURITY_MAX_SID_SIZE, 0);
    // SAFETY: `sid` has room for `length` bytes, and nothing larger is a SID; there is no domain.
    let made = unsafe {
        CreateWellKnownSid(WinBuiltinAdministratorsSid, null_mut(), sid.as_mut_ptr().cast(), &raw mut length)
    };
    assert_ne!(made, 0, "{}", io::Error::last_os_error());
    // SAFETY: without a token it is that of this process; `sid` is one by now; the call writes one number.
    let asked = unsafe { CheckTokenMembership(null_mut(), sid.as_mut_ptr().cast(), &raw mut is_member) };
    assert_ne!(asked, 0, "{}", io::Error::last_os_error());
    is_member != 0
}

/// The id of the process that a handle names.
pub(crate) fn process_id(process: &impl AsHandle) -> u32 {
    // SAFETY: the handle is open as long as it is borrowed.
    unsafe { GetProcessId(process.as_handle().as_raw_handle()) }
}
