#![expect(unsafe_code, reason = "no library that is kept up has launch_activate_socket")]

use std::ffi::{CString, c_char, c_int};
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::ptr::null_mut;

unsafe extern "C" {
    /// `launch.h`: on success (0), writes an array of `count` descriptors. The caller owns the descriptors and the
    /// array. Otherwise returns an error number.
    fn launch_activate_socket(name: *const c_char, fds: *mut *mut c_int, count: *mut usize) -> c_int;
}

/// Takes the sockets under `name` in the `Sockets` dictionary of this service's property list.
pub(crate) fn activate_socket(name: &str) -> io::Result<Vec<OwnedFd>> {
    let name = CString::new(name)?;
    let (mut fds, mut count) = (null_mut(), 0);
    // SAFETY: the name ends with a NUL; the call writes a pointer and a number.
    let error = unsafe { launch_activate_socket(name.as_ptr(), &raw mut fds, &raw mut count) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    // SAFETY: on success, the array has this many descriptors, which nothing else owns.
    let sockets = (0..count).map(|n| unsafe { OwnedFd::from_raw_fd(*fds.add(n)) }).collect();
    // SAFETY: `launch.h` says that malloc(3) allocated the array, and nothing reads it any more.
    unsafe { libc::free(fds.cast()) };
    Ok(sockets)
}
