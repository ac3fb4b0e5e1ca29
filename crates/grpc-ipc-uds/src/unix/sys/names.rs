#![expect(
    unsafe_code,
    reason = "no library that is kept up looks up names and tells errors from unknown names"
)]

use std::ffi::{CString, c_char, c_int};
use std::io;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// The user id of `name`, getpwnam_r(3).
pub(crate) fn uid_of(name: &str) -> io::Result<Option<u32>> {
    // SAFETY: getpwnam_r is a `Lookup` of `passwd`.
    unsafe { look_up(name, libc::getpwnam_r, |user: &libc::passwd| user.pw_uid) }
}

/// The group id of `name`, getgrnam_r(3).
pub(crate) fn gid_of(name: &str) -> io::Result<Option<u32>> {
    // SAFETY: getgrnam_r is a `Lookup` of `group`.
    unsafe { look_up(name, libc::getgrnam_r, |group: &libc::group| group.gr_gid) }
}

/// Looks up a name: writes what it found, whose strings are in the buffer, and a pointer to it, or null if nothing was
/// found; returns an error number.
type Lookup<T> = unsafe extern "C" fn(*const c_char, *mut T, *mut c_char, usize, *mut *mut T) -> c_int;

/// # Safety
/// `call` does what [`Lookup`] says.
unsafe fn look_up<T>(name: &str, call: Lookup<T>, id: impl Fn(&T) -> u32) -> io::Result<Option<u32>> {
    /// A group of a great many members needs much.
    const LIMIT: usize = 16 * 1024 * 1024;
    let name = CString::new(name)?;
    let mut buffer: Vec<c_char> = vec![0; 4096];
    loop {
        let (mut entry, mut found) = (MaybeUninit::<T>::uninit(), null_mut());
        // SAFETY: the name ends with a NUL; the buffer has the length that is told; all of it lives until the call
        // returns.
        let error = unsafe {
            call(name.as_ptr(), entry.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &raw mut found)
        };
        match error {
            0 if found.is_null() => return Ok(None),
            // SAFETY: what was found has been written to `entry`, to which the pointer leads.
            0 => return Ok(Some(id(unsafe { &*found }))),
            libc::ERANGE if buffer.len() < LIMIT => buffer.resize(buffer.len() * 4, 0),
            libc::EINTR => {}
            // What some systems return of a name that there is not: getpwnam(3), ERRORS.
            libc::ENOENT | libc::ESRCH => return Ok(None),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}
