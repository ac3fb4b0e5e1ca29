//! Checks that only root and this user can replace a file or directory: its owner, and who else may write to it.

use std::path::Path;

use grpc_ipc_core::UserId;
use rustix::fs::{FileType, Mode, Stat};
use rustix::process::geteuid;

use super::sys;

pub(super) fn is(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
}

/// The owner of the file; `None` if it is unknown.
pub(super) fn user(stat: &Stat) -> Option<UserId> {
    is_mapped(stat.st_uid).then_some(UserId::Uid(stat.st_uid))
}

/// Whether the file belongs to the user that this process acts as.
pub(super) fn is_own(stat: &Stat) -> bool {
    is_mapped(stat.st_uid) && stat.st_uid == geteuid().as_raw()
}

/// Why others could replace the contents of the directory at `path`, or the directory that the symbolic link at `path`
/// leads to; `None` if they cannot.
///
/// `path` has no symbolic link before its last component.
pub(super) fn problem(path: &Path, found: &Stat) -> Option<String> {
    match user(found) {
        Some(owner) if owner.is_system() || is_own(found) => {}
        Some(owner) => return Some(format!("belongs to {owner}, which is neither this user nor root")),
        None => return Some("belongs to a user that has no number in this user namespace".to_owned()),
    }
    let mode = Mode::from_raw_mode(found.st_mode);
    // With the sticky bit, others cannot replace files of this user or root: the socket, and the next directory, which
    // is checked in the same way. Everyone's write permission on a symbolic link has no effect.
    if is(found, FileType::Symlink) || mode.contains(Mode::SVTX) {
        return None;
    }
    let bits = format!("mode {:04o}", mode.as_raw_mode());
    if mode.contains(Mode::WOTH) {
        return Some(format!("can be written to by everyone ({bits})"));
    }
    // With an access control list, these bits are the upper limit of what it grants, acl(5). So they cover it too.
    if mode.contains(Mode::WGRP) {
        if has_list(path) {
            return Some(format!("can be written to by users or groups in its access control list ({bits})"));
        }
        if !sys::is_own_private_group(found.st_gid) {
            return Some(format!("can be written to by the group gid={} ({bits})", found.st_gid));
        }
    }
    None
}

/// Whether `uid` is a single user. In some namespaces, one id stands for all users without a number there.
fn is_mapped(uid: u32) -> bool {
    sys::unmapped_user() != Some(uid)
}

/// Whether the directory has an access control list beyond its mode. Also `true` if that is unknown.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn has_list(path: &Path) -> bool {
    use rustix::io::Errno;

    let list = rustix::fs::lgetxattr(path, "system.posix_acl_access", &mut [0_u8; 0][..]);
    !matches!(list, Err(Errno::NODATA | Errno::OPNOTSUPP))
}

/// The access control lists of macOS and FreeBSD do not show in the mode. They are not checked.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn has_list(_: &Path) -> bool {
    false
}
