//! What Windows says of this process, asked in another way than the crate asks.
#![expect(unsafe_code, reason = "no library makes these calls safe")]

use std::io;
use std::ptr;

use windows_sys::Win32::Security::{
    CheckTokenMembership, CreateWellKnownSid, SECURITY_MAX_SID_SIZE, WELL_KNOWN_SID_TYPE,
    WinBuiltinAdministratorsSid, WinWorldSid,
};

/// Whether it may act as one of the Administrators.
pub(crate) fn is_administrator() -> bool {
    is_member(WinBuiltinAdministratorsSid)
}

/// Whether it is one of Everyone.
pub(crate) fn is_one_of_everyone() -> bool {
    is_member(WinWorldSid)
}

fn is_member(group: WELL_KNOWN_SID_TYPE) -> bool {
    let mut sid = [0_u8; SECURITY_MAX_SID_SIZE as usize];
    let mut length = SECURITY_MAX_SID_SIZE;
    // SAFETY: `sid` has room for `length` bytes, and nothing larger is a SID; there is no domain.
    let made =
        unsafe { CreateWellKnownSid(group, ptr::null_mut(), sid.as_mut_ptr().cast(), &raw mut length) };
    assert_ne!(made, 0, "{}", io::Error::last_os_error());
    let mut is_member = 0;
    // SAFETY: without a token it is that of this process; `sid` is one by now; the call writes one number.
    let asked = unsafe { CheckTokenMembership(ptr::null_mut(), sid.as_mut_ptr().cast(), &raw mut is_member) };
    assert_ne!(asked, 0, "{}", io::Error::last_os_error());
    is_member != 0
}
