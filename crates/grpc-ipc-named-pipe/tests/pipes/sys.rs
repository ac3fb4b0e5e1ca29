//! Win32 calls that only the tests need.
#![cfg(windows)]
#![expect(unsafe_code, reason = "no library makes these calls safe")]

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle as _};
use std::ptr::null_mut;

use grpc_ipc_win32::Descriptor;
use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACL, CheckTokenMembership, CreateWellKnownSid, GetAce, GetSecurityDescriptorDacl,
    SECURITY_MAX_SID_SIZE, WinBuiltinAdministratorsSid,
};
use windows_sys::Win32::System::Threading::GetProcessId;

/// Whether this process may act as an administrator.
pub(crate) fn is_administrator() -> bool {
    let mut sid = [0_u64; (SECURITY_MAX_SID_SIZE as usize).div_ceil(size_of::<u64>())];
    let (mut length, mut is_member) = (SECURITY_MAX_SID_SIZE, 0);
    // SAFETY: `sid` has room for `length` bytes, the maximum size of a SID; there is no domain.
    let made = unsafe {
        CreateWellKnownSid(WinBuiltinAdministratorsSid, null_mut(), sid.as_mut_ptr().cast(), &raw mut length)
    };
    assert_ne!(made, 0, "{}", io::Error::last_os_error());
    // SAFETY: without a token, the call checks this process; `sid` has just been written; the call writes one number.
    let asked = unsafe { CheckTokenMembership(null_mut(), sid.as_mut_ptr().cast(), &raw mut is_member) };
    assert_ne!(asked, 0, "{}", io::Error::last_os_error());
    is_member != 0
}

/// The id of a handle's process.
pub(crate) fn process_id(process: &impl AsHandle) -> u32 {
    // SAFETY: the handle is open while it is borrowed.
    unsafe { GetProcessId(process.as_handle().as_raw_handle()) }
}

/// An entry of an access control list.
#[derive(Debug)]
pub(crate) struct Ace {
    /// Whether it allows or denies.
    pub(crate) allows: bool,
    pub(crate) mask: u32,
    pub(crate) sid: String,
}

/// The entries of the DACL in a security descriptor, as Windows parses its text.
pub(crate) fn dacl(sddl: &str) -> Vec<Ace> {
    let descriptor = Descriptor::from_sddl(sddl).unwrap();
    let (mut present, mut acl, mut defaulted) = (0, null_mut(), 0);
    // SAFETY: the descriptor is complete and stays alive; each pointer takes what the call writes.
    let asked = unsafe {
        GetSecurityDescriptorDacl(descriptor.as_ptr(), &raw mut present, &raw mut acl, &raw mut defaulted)
    };
    assert!(asked != 0 && present != 0 && !acl.is_null(), "{sddl} has no DACL");
    // SAFETY: the call has written the position of the list in the descriptor.
    let count = unsafe { (*acl).AceCount };
    // SAFETY: the list has this many entries, and is in the descriptor.
    (0..count.into()).map(|index| unsafe { ace(acl, index) }).collect()
}

/// # Safety
/// The list must be complete, stay alive, and have such an entry.
unsafe fn ace(acl: *const ACL, index: u32) -> Ace {
    const ACCESS_ALLOWED_ACE_TYPE: u8 = 0;
    const ACCESS_DENIED_ACE_TYPE: u8 = 1;
    let mut entry = null_mut();
    // SAFETY: the caller guarantees the list.
    assert_ne!(unsafe { GetAce(acl, index, &raw mut entry) }, 0, "{}", io::Error::last_os_error());
    let entry = entry.cast::<ACCESS_ALLOWED_ACE>();
    // SAFETY: both expected kinds of entries have this form, and begin like all others.
    let (kind, mask, sid) =
        unsafe { ((*entry).Header.AceType, (*entry).Mask, (&raw mut (*entry).SidStart).cast()) };
    assert!([ACCESS_ALLOWED_ACE_TYPE, ACCESS_DENIED_ACE_TYPE].contains(&kind), "an entry of the kind {kind}");
    let mut text = null_mut();
    // SAFETY: the SID is at the end of the entry; the text is written on success, ends with a NUL, and must then be
    // freed.
    let sid = unsafe {
        assert_ne!(ConvertSidToStringSidW(sid, &raw mut text), 0, "{}", io::Error::last_os_error());
        let length = (0..).take_while(|&at| *text.add(at) != 0).count();
        let sid = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
        LocalFree(text.cast());
        sid
    };
    Ace { allows: kind == ACCESS_ALLOWED_ACE_TYPE, mask, sid }
}
