use std::io;
use std::ptr::null;

use windows_sys::Win32::Foundation::ERROR_NONE_MAPPED;
use windows_sys::Win32::Security::{
    LookupAccountNameW, SECURITY_MAX_SID_SIZE, SidTypeAlias, SidTypeGroup, SidTypeUser, SidTypeWellKnownGroup,
};

use super::{check, sid_text, wide};

/// The kind of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountKind {
    User,
    Group,
    /// An account that Windows defines, such as SYSTEM or Everyone.
    WellKnown,
    Other,
}

/// The SID and the kind of the account with this name
/// ([LookupAccountNameW](https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-lookupaccountnamew)).
pub(crate) fn account(name: &str) -> io::Result<Option<(String, AccountKind)>> {
    if name.contains('\0') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the name contains a NUL"));
    }
    let name = wide(name);
    let mut sid = [0_u64; (SECURITY_MAX_SID_SIZE as usize).div_ceil(size_of::<u64>())];
    let mut sid_length = SECURITY_MAX_SID_SIZE;
    // The domain is not needed, but the call requires a buffer: a DNS name has at most 255 characters.
    let (mut domain, mut kind) = ([0_u16; 256], 0);
    let mut domain_length = domain.len() as u32;
    // SAFETY: the name ends with a NUL; both buffers have the given lengths.
    let found = check(unsafe {
        LookupAccountNameW(
            null(),
            name.as_ptr(),
            sid.as_mut_ptr().cast(),
            &raw mut sid_length,
            domain.as_mut_ptr(),
            &raw mut domain_length,
            &raw mut kind,
        )
    });
    match found {
        Err(error) if error.raw_os_error() == Some(ERROR_NONE_MAPPED as i32) => return Ok(None),
        result => result?,
    }
    #[expect(non_upper_case_globals, reason = "they are Win32's")]
    let kind = match kind {
        SidTypeUser => AccountKind::User,
        SidTypeGroup | SidTypeAlias => AccountKind::Group,
        SidTypeWellKnownGroup => AccountKind::WellKnown,
        _ => AccountKind::Other,
    };
    Ok(Some((sid_text(sid.as_mut_ptr().cast())?, kind)))
}
