use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle as _};
use std::ptr::null_mut;

use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1, SE_KERNEL_OBJECT,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, LABEL_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR,
    PSID,
};

use super::{Local, check, from_wide, sid_text, wide};

/// The parts of a descriptor in SDDL output.
const SHOWN: u32 = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION | LABEL_SECURITY_INFORMATION;

/// A security descriptor for creating objects.
pub struct Descriptor(Local);

// SAFETY: the memory of a descriptor never changes after its creation, and the process heap is not tied to threads.
unsafe impl Send for Descriptor {}
// SAFETY: as above; it is only read.
unsafe impl Sync for Descriptor {}

impl Descriptor {
    /// Parses `sddl`, in the
    /// [security descriptor definition language](https://learn.microsoft.com/windows/win32/secauthz/security-descriptor-string-format).
    ///
    /// # Errors
    /// If Windows rejects it.
    pub fn from_sddl(sddl: &str) -> io::Result<Self> {
        let sddl = wide(sddl);
        let mut descriptor = null_mut();
        // SAFETY: `sddl` ends with a NUL; `descriptor` is written only on success, and must then be freed with
        // LocalFree.
        check(unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                sddl.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                null_mut(),
            )
        })?;
        Ok(Self(Local(descriptor)))
    }

    /// Owner, DACL and mandatory label, in SDDL as Windows writes it.
    ///
    /// # Errors
    /// The error of Windows.
    pub fn to_sddl(&self) -> io::Result<String> {
        to_sddl(&self.0)
    }

    /// The `SECURITY_DESCRIPTOR`. It lives as long as `self`, and must not be changed.
    pub fn as_ptr(&self) -> *mut c_void {
        self.0.0
    }
}

/// Owner, DACL and mandatory label of a kernel object, as SDDL.
///
/// # Errors
/// If this process may not read them.
pub fn descriptor_of(object: &impl AsHandle) -> io::Result<String> {
    to_sddl(&security_info(object, SHOWN)?.0)
}

/// The SID of a kernel object's owner. It identifies the creator of the object: without the privilege to restore files,
/// a program can set only its own user's SID, or that of a group that may own objects.
///
/// # Errors
/// If this process may not read it.
pub fn owner_of(object: &impl AsHandle) -> io::Result<String> {
    let (_descriptor, owner) = security_info(object, OWNER_SECURITY_INFORMATION)?;
    sid_text(owner)
}

/// The descriptor, and the owner, which points into it.
fn security_info(object: &impl AsHandle, wanted: u32) -> io::Result<(Local, PSID)> {
    let mut descriptor: PSECURITY_DESCRIPTOR = null_mut();
    let mut owner: PSID = null_mut();
    // SAFETY: the handle is open while `object` is borrowed. The pointers are written only on success; the descriptor
    // must then be freed with LocalFree.
    let error = unsafe {
        GetSecurityInfo(
            object.as_handle().as_raw_handle(),
            SE_KERNEL_OBJECT,
            wanted,
            &raw mut owner,
            null_mut(),
            null_mut(),
            null_mut(),
            &raw mut descriptor,
        )
    };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error as i32));
    }
    Ok((Local(descriptor), owner))
}

fn to_sddl(descriptor: &Local) -> io::Result<String> {
    let mut text = null_mut();
    // SAFETY: a Win32 call created the descriptor; `text` is written only on success, and must then be freed with
    // LocalFree.
    check(unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor.0,
            SDDL_REVISION_1,
            SHOWN,
            &raw mut text,
            null_mut(),
        )
    })?;
    Ok(from_wide(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_what_its_text_says() {
        let sddl = "O:SYD:P(D;;GA;;;NU)(A;;0x12019b;;;AU)";
        let shown = Descriptor::from_sddl(sddl).unwrap().to_sddl().unwrap();
        // Windows may write rights by name.
        assert!(shown.starts_with("O:SYD:P(D;;GA;;;NU)(A;;"), "{shown}");
        assert_eq!(Descriptor::from_sddl(&shown).unwrap().to_sddl().unwrap(), shown);
        assert!(Descriptor::from_sddl("D:P(A;;GA;;;nobody I know)").is_err());
    }
}
