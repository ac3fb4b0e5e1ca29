//! Whom a file or a directory has to belong to, and who else may write to it, so that nobody can replace it whom this
//! process does not trust: only root and this user can.

use std::path::Path;

use grpc_ipc_core::UserId;
use rustix::fs::{FileType, Mode, Stat};
use rustix::process::geteuid;

use super::sys;

pub(super) fn is(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
}

/// Whom the file belongs to; `None` when that cannot be told.
pub(super) fn user(stat: &Stat) -> Option<UserId> {
    is_mapped(stat.st_uid).then_some(UserId::Uid(stat.st_uid))
}

/// Whether the file belongs to the user that this process acts as.
pub(super) fn is_own(stat: &Stat) -> bool {
    is_mapped(stat.st_uid) && stat.st_uid == geteuid().as_raw()
}

/// What lets others put something else in the place of what is in the directory at `path`, or of the directory that the
/// symbolic link at `path` leads to; `None` when nothing does.
///
/// `path` has no symbolic link before its last component.
pub(super) fn problem(path: &Path, found: &Stat) -> Option<String> {
    match user(found) {
        Some(owner) if owner.is_system() || is_own(found) => {}
        Some(owner) => return Some(format!("belongs to {owner}, which is neither this user nor root")),
        None => return Some("belongs to a user that has no number in this user namespace".to_owned()),
    }
    let mode = Mode::from_raw_mode(found.st_mode);
    // What the sticky bit protects belongs to this user, or to root: the socket, and the next directory, which is
    // checked as this one is. Everybody may write to a symbolic link, and nobody can.
    if is(found, FileType::Symlink) || mode.contains(Mode::SVTX) {
        return None;
    }
    let bits = format!("mode {:04o}", mode.as_raw_mode());
    if mode.contains(Mode::WOTH) {
        return Some(format!("can be written to by everyone ({bits})"));
    }
    // With an access control list these bits are the most that it grants, acl(5); so they tell of that, too.
    if mode.contains(Mode::WGRP) {
        if has_list(path) {
            return Some(format!("can be written to by those whom its access control list names ({bits})"));
        }
        if !sys::is_own_private_group(found.st_gid) {
            return Some(format!("can be written to by the group gid={} ({bits})", found.st_gid));
        }
    }
    None
}

/// Whether `uid` stands for one user; in some namespaces one stands for all those that have no number there.
fn is_mapped(uid: u32) -> bool {
    sys::unmapped_user() != Some(uid)
}

/// Whether the directory has an access control list beyond its mode; also when that cannot be told.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn has_list(path: &Path) -> bool {
    use rustix::io::Errno;

    let list = rustix::fs::lgetxattr(path, "system.posix_acl_access", &mut [0_u8; 0][..]);
    !matches!(list, Err(Errno::NODATA | Errno::OPNOTSUPP))
}

/// macOS and FreeBSD keep lists of another kind, which do not show in the mode. They are not looked at.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn has_list(_: &Path) -> bool {
    false
}
