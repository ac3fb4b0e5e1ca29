#![expect(unsafe_code, reason = "no library in use asks for users and groups")]

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

use rustix::process::{getegid, geteuid};

/// Whether nobody but this process's user is in the group: a user private group, as most distributions of Linux make one
/// for each user, named as the user is. Where neither the user nor the group has a name, as in containers, it is the
/// process's own group of the same number. `false` when it cannot be told.
///
/// A user who has been given this group as the first one in `/etc/passwd` is not seen: that takes reading all of it.
pub(crate) fn is_own_private_group(gid: u32) -> bool {
    let uid = geteuid().as_raw();
    match (user_name(uid), group(gid)) {
        (Ok(Some(user)), Ok(Some(group))) => {
            group.name == user && group.members.iter().all(|member| *member == user)
        }
        (Ok(None), Ok(None)) => gid == uid && gid == getegid().as_raw(),
        _ => false,
    }
}

struct Group {
    name: CString,
    members: Vec<CString>,
}

/// getpwuid_r(3); `None` where no user has the number.
fn user_name(uid: u32) -> io::Result<Option<CString>> {
    let mut user = MaybeUninit::<libc::passwd>::uninit();
    with_buffer(|buffer| {
        let mut found = null_mut();
        // SAFETY: `user` and `found` are written to, and the buffer up to its length.
        let error = unsafe {
            libc::getpwuid_r(uid, user.as_mut_ptr(), buffer.as_mut_ptr().cast(), buffer.len(), &raw mut found)
        };
        if error != 0 || found.is_null() {
            return answer(error);
        }
        // SAFETY: it was found, so `found` points to `user`, and the name in there to a string in the buffer, which
        // lives until this returns, with a NUL at its end.
        Ok(Some(unsafe { CStr::from_ptr((*found).pw_name) }.to_owned()))
    })
}

/// getgrgid_r(3); `None` where no group has the number.
fn group(gid: u32) -> io::Result<Option<Group>> {
    let mut group = MaybeUninit::<libc::group>::uninit();
    with_buffer(|buffer| {
        let mut found = null_mut();
        // SAFETY: `group` and `found` are written to, and the buffer up to its length.
        let error = unsafe {
            libc::getgrgid_r(
                gid,
                group.as_mut_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &raw mut found,
            )
        };
        if error != 0 || found.is_null() {
            return answer(error);
        }
        // SAFETY: it was found, so `found` points to `group`, and the name in there to a string in the buffer, which
        // lives until this returns, with a NUL at its end.
        let name = unsafe { CStr::from_ptr((*found).gr_name) }.to_owned();
        let mut members = Vec::new();
        // SAFETY: as above; the list of members is in the buffer, too.
        let mut member = unsafe { (*found).gr_mem };
        // SAFETY: the list ends with a null pointer, which is read, and nothing behind it.
        while !member.is_null() && !unsafe { *member }.is_null() {
            // SAFETY: each pointer before the end is one to a string in the buffer, with a NUL at its end.
            members.push(unsafe { CStr::from_ptr(*member) }.to_owned());
            // SAFETY: this one is not the last of the list.
            member = unsafe { member.add(1) };
        }
        Ok(Some(Group { name, members }))
    })
}

/// What it means that nothing was found: the manual page names these codes for it, beside 0.
fn answer<T>(error: i32) -> io::Result<Option<T>> {
    match error {
        0 | libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM => Ok(None),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Calls `get` with more and more room, until it has enough (ERANGE).
fn with_buffer<T>(mut get: impl FnMut(&mut [u8]) -> io::Result<T>) -> io::Result<T> {
    let mut size = 1024;
    loop {
        match get(&mut vec![0; size]) {
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) && size < 1 << 20 => size *= 2,
            result => return result,
        }
    }
}

#[test]
fn what_the_system_says_of_root() {
    assert_eq!(user_name(0).unwrap().unwrap(), c"root".to_owned());
    let group = group(0).unwrap().unwrap();
    assert!(!group.name.is_empty());
}

#[test]
fn a_number_that_nobody_has_is_nobodys() {
    assert!(user_name(471_199).unwrap().is_none());
    assert!(group(471_199).unwrap().is_none());
    assert!(!is_own_private_group(471_199));
}
