//! Users and groups by name and number, from `/etc/passwd`, `/etc/group` and directory services.
#![expect(
    unsafe_code,
    reason = "no library that is kept up asks for users and groups, and tells errors from those that there are not"
)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::io;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

use libc::{getgrgid_r, getgrnam_r, getpwnam_r, getpwuid_r, group, passwd};
use rustix::process::{getegid, geteuid};

/// The user id of `name`, getpwnam_r(3); `None` if the name does not exist.
pub(crate) fn uid_of(name: &str) -> io::Result<Option<u32>> {
    let name = CString::new(name)?;
    // SAFETY: the name ends with a NUL; getpwnam_r is a `Lookup`.
    unsafe {
        look_up(
            |user, text, size, found| getpwnam_r(name.as_ptr(), user, text, size, found),
            |user| user.pw_uid,
        )
    }
}

/// The group id of `name`, getgrnam_r(3); `None` if the name does not exist.
pub(crate) fn gid_of(name: &str) -> io::Result<Option<u32>> {
    let name = CString::new(name)?;
    // SAFETY: the name ends with a NUL; getgrnam_r is a `Lookup`.
    unsafe {
        look_up(
            |group, text, size, found| getgrnam_r(name.as_ptr(), group, text, size, found),
            |group| group.gr_gid,
        )
    }
}

/// Whether only this process's user is in the group: a user private group, which most Linux distributions create for
/// each user, with the user's name. If neither the user nor the group has a name, as in containers, it is the process's
/// own group with the same number. `false` if this cannot be determined.
///
/// Users whose primary group in `/etc/passwd` it is are not found, because that would take reading the whole file.
pub(crate) fn is_own_private_group(gid: u32) -> bool {
    let uid = geteuid().as_raw();
    match (name_of_user(uid), group_of(gid)) {
        (Ok(Some(user)), Ok(Some(group))) => {
            group.name == user && group.members.iter().all(|member| *member == user)
        }
        (Ok(None), Ok(None)) => gid == uid && gid == getegid().as_raw(),
        _ => false,
    }
}

/// getpwuid_r(3); `None` if no user has the number.
fn name_of_user(uid: u32) -> io::Result<Option<CString>> {
    let name = |user: &passwd| {
        // SAFETY: `look_up` says that this is a string.
        unsafe { CStr::from_ptr(user.pw_name) }.to_owned()
    };
    // SAFETY: getpwuid_r is a `Lookup`.
    unsafe { look_up(|user, text, size, found| getpwuid_r(uid, user, text, size, found), name) }
}

struct Group {
    name: CString,
    members: Vec<CString>,
}

/// getgrgid_r(3); `None` if no group has the number.
fn group_of(gid: u32) -> io::Result<Option<Group>> {
    let read = |group: &group| {
        // SAFETY: `look_up` says that this is a string.
        let name = unsafe { CStr::from_ptr(group.gr_name) }.to_owned();
        let mut members = Vec::new();
        let mut member = group.gr_mem;
        // SAFETY: `look_up` guarantees a list that ends with a null pointer. Nothing behind the end is read.
        while !member.is_null() && !unsafe { *member }.is_null() {
            // SAFETY: every entry before the end is a string.
            members.push(unsafe { CStr::from_ptr(*member) }.to_owned());
            // SAFETY: this one is not the end.
            member = unsafe { member.add(1) };
        }
        Group { name, members }
    };
    // SAFETY: getgrgid_r is a `Lookup`.
    unsafe { look_up(|group, text, size, found| getgrgid_r(gid, group, text, size, found), read) }
}

/// Calls `call` with growing buffers until one is large enough, and reads the entry.
///
/// # Safety
/// `call` writes an entry to the first pointer. It writes the data that the entry points to (strings that end with NUL,
/// and lists that end with a null pointer) to the second, up to the given length. To the last, it writes the first
/// pointer, or null if there is no such entry. It returns an error number.
unsafe fn look_up<T, R>(
    call: impl Fn(*mut T, *mut c_char, usize, *mut *mut T) -> c_int,
    read: impl FnOnce(&T) -> R,
) -> io::Result<Option<R>> {
    /// A group with very many members needs a large buffer.
    const LIMIT: usize = 16 * 1024 * 1024;
    let mut text: Vec<c_char> = vec![0; 4096];
    loop {
        let (mut entry, mut found) = (MaybeUninit::<T>::uninit(), null_mut());
        match call(entry.as_mut_ptr(), text.as_mut_ptr(), text.len(), &raw mut found) {
            0 if found.is_null() => return Ok(None),
            // SAFETY: the pointer leads to `entry`, which has been written. `entry` and `text` live until this returns.
            0 => return Ok(Some(read(unsafe { &*found }))),
            libc::ERANGE if text.len() < LIMIT => text.resize(text.len() * 4, 0),
            libc::EINTR => {}
            // Some systems return these for a missing entry: getpwnam(3), ERRORS.
            libc::ENOENT | libc::ESRCH => return Ok(None),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

#[test]
fn what_the_system_says_of_root() {
    assert_eq!(uid_of("root").unwrap(), Some(0));
    assert_eq!(name_of_user(0).unwrap().unwrap(), c"root".to_owned());
    let group = group_of(0).unwrap().unwrap();
    assert_eq!(gid_of(group.name.to_str().unwrap()).unwrap(), Some(0));
}

#[test]
fn what_nobody_has_is_nobodys() {
    assert_eq!(uid_of("nobody has this name").unwrap(), None);
    assert_eq!(gid_of("no group has this name").unwrap(), None);
    assert!(name_of_user(471_199).unwrap().is_none());
    assert!(group_of(471_199).unwrap().is_none());
    assert!(!is_own_private_group(471_199));
}
