use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle as _, BorrowedHandle, FromRawHandle as _, OwnedHandle};
use std::ptr::{null_mut, slice_from_raw_parts};

use windows_sys::Win32::Foundation::{ERROR_INVALID_FUNCTION, FALSE, TRUE};
use windows_sys::Win32::Security::{
    CheckTokenMembership, CreateWellKnownSid, GetSidSubAuthority, GetSidSubAuthorityCount,
    GetTokenInformation, RevertToSelf, SECURITY_MAX_SID_SIZE, SID_AND_ATTRIBUTES,
    TOKEN_APPCONTAINER_INFORMATION, TOKEN_GROUPS, TOKEN_INFORMATION_CLASS, TOKEN_MANDATORY_LABEL,
    TOKEN_OWNER, TOKEN_QUERY, TOKEN_USER, TokenAppContainerSid, TokenElevation, TokenGroups,
    TokenIntegrityLevel, TokenIsAppContainer, TokenOwner, TokenRestrictedSids, TokenSessionId, TokenUser,
    WELL_KNOWN_SID_TYPE, WinBuiltinAdministratorsSid, WinNetworkSid,
};
use windows_sys::Win32::System::Pipes::ImpersonateNamedPipeClient;
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentThread, OpenProcessToken, OpenThreadToken, PROCESS_QUERY_LIMITED_INFORMATION,
};

use super::{check, process, sid_text};

/// [SID Attributes in an Access
/// Token](https://learn.microsoft.com/windows/win32/secauthz/sid-attributes-in-an-access-token).
const SE_GROUP_ENABLED: u32 = 0x4;
/// As [`SE_GROUP_ENABLED`].
const SE_GROUP_USE_FOR_DENY_ONLY: u32 = 0x10;

/// An access token: who somebody is to Windows.
pub struct Token(OwnedHandle);

impl Token {
    /// That of this process.
    ///
    /// # Errors
    /// The error of Windows.
    pub fn own() -> io::Result<Self> {
        // SAFETY: it has no arguments; the pseudo handle that it returns needs no closing.
        let process = unsafe { BorrowedHandle::borrow_raw(GetCurrentProcess()) };
        Self::of(process)
    }

    /// The token of the process that has the id `pid` now.
    ///
    /// # Errors
    /// If there is none, or this process may not open it.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        let process = process::open(pid, PROCESS_QUERY_LIMITED_INFORMATION)?;
        Self::of(process.as_handle())
    }

    fn of(process: BorrowedHandle<'_>) -> io::Result<Self> {
        let mut token = null_mut();
        // SAFETY: the process is open as long as it is borrowed; `token` is written only on success, and is then ours to
        // close.
        unsafe {
            check(OpenProcessToken(process.as_raw_handle(), TOKEN_QUERY, &raw mut token))?;
            Ok(Self(OwnedHandle::from_raw_handle(token)))
        }
    }

    /// The token of a pipe's client, at the level that the client allows. `pipe` is the server's end. This thread
    /// impersonates the client only while it opens the token: nothing is awaited in between, and if it cannot revert,
    /// it must not go on.
    ///
    /// # Errors
    /// If the client does not allow identification, or not yet (`ERROR_CANNOT_IMPERSONATE`).
    pub fn of_client(pipe: &impl AsHandle) -> io::Result<Self> {
        let mut token = null_mut();
        // SAFETY: the handle is open as long as `pipe` is borrowed.
        check(unsafe { ImpersonateNamedPipeClient(pipe.as_handle().as_raw_handle()) })?;
        // SAFETY: GetCurrentThread returns a pseudo handle that needs no closing; `token` is written only on success.
        // The access is checked against this process, not against the client.
        let opened = check(unsafe { OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &raw mut token) });
        // SAFETY: it has no arguments.
        if unsafe { RevertToSelf() } == FALSE {
            std::process::abort();
        }
        opened?;
        // SAFETY: the token was opened above, and nothing else owns it.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(token) }))
    }

    /// The SID of the user.
    ///
    /// # Errors
    /// The error of Windows.
    pub fn user(&self) -> io::Result<String> {
        let information = self.information(TokenUser)?;
        // SAFETY: the system writes a TOKEN_USER for this class.
        sid_text(unsafe { information.read::<TOKEN_USER>() }?.User.Sid)
    }

    /// Whether the user is in the token only to be denied what that user is denied: then it may not do what the user may.
    ///
    /// # Errors
    /// The error of Windows.
    pub fn is_user_deny_only(&self) -> io::Result<bool> {
        let information = self.information(TokenUser)?;
        // SAFETY: the system writes a TOKEN_USER for this class.
        let user = unsafe { information.read::<TOKEN_USER>() }?.User;
        Ok(user.Attributes & SE_GROUP_USE_FOR_DENY_ONLY != 0)
    }

    /// The SID that owns what is made without saying who shall: the user's, or of an elevated token that of the
    /// Administrators.
    ///
    /// # Errors
    /// The error of Windows.
    pub fn default_owner(&self) -> io::Result<String> {
        let information = self.information(TokenOwner)?;
        // SAFETY: the system writes a TOKEN_OWNER for this class.
        sid_text(unsafe { information.read::<TOKEN_OWNER>() }?.Owner)
    }

    /// The SIDs of the groups that are enabled: those that let something be done, not those that are there only to deny
    /// something.
    ///
    /// # Errors
    /// The error of Windows.
    pub fn enabled_groups(&self) -> io::Result<Vec<String>> {
        let information = self.information(TokenGroups)?;
        let enabled = |group: &&SID_AND_ATTRIBUTES| {
            group.Attributes & (SE_GROUP_ENABLED | SE_GROUP_USE_FOR_DENY_ONLY) == SE_GROUP_ENABLED
        };
        information.groups()?.iter().filter(enabled).map(|group| sid_text(group.Sid)).collect()
    }

    /// Whether the token has restricting SIDs: then what its groups let be done is not all that counts.
    ///
    /// # Errors
    /// The error of Windows.
    pub fn is_restricted(&self) -> io::Result<bool> {
        match self.information(TokenRestrictedSids) {
            Ok(restricting) => Ok(!restricting.groups()?.is_empty()),
            // The system does not know of restricting SIDs at all: Wine. Windows has since Windows 2000.
            Err(error) if error.raw_os_error() == Some(ERROR_INVALID_FUNCTION as i32) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The last number of the SID of the integrity level.
    ///
    /// # Errors
    /// The error of Windows.
    pub fn integrity(&self) -> io::Result<u32> {
        let information = self.information(TokenIntegrityLevel)?;
        // SAFETY: the system writes a TOKEN_MANDATORY_LABEL for this class.
        let sid = unsafe { information.read::<TOKEN_MANDATORY_LABEL>() }?.Label.Sid;
        // SAFETY: the SID is in `information`, which lives on; each has at least one number, and the last is read.
        Ok(unsafe { *GetSidSubAuthority(sid, u32::from(*GetSidSubAuthorityCount(sid)).saturating_sub(1)) })
    }

    /// Whether it is elevated (`TokenElevation`).
    ///
    /// # Errors
    /// The error of Windows.
    pub fn is_elevated(&self) -> io::Result<bool> {
        Ok(self.information(TokenElevation)?.number()? != 0)
    }

    /// The SID of the AppContainer's package, if it is in one.
    ///
    /// # Errors
    /// The error of Windows.
    pub fn package(&self) -> io::Result<Option<String>> {
        if self.information(TokenIsAppContainer)?.number()? == 0 {
            return Ok(None);
        }
        let information = self.information(TokenAppContainerSid)?;
        // SAFETY: the system writes a TOKEN_APPCONTAINER_INFORMATION for this class.
        let sid = unsafe { information.read::<TOKEN_APPCONTAINER_INFORMATION>() }?.TokenAppContainer;
        if sid.is_null() { Ok(None) } else { sid_text(sid).map(Some) }
    }

    /// The session that it belongs to.
    ///
    /// # Errors
    /// The error of Windows.
    pub fn session(&self) -> io::Result<u32> {
        self.information(TokenSessionId)?.number()
    }

    fn information(&self, class: TOKEN_INFORMATION_CLASS) -> io::Result<Information> {
        let token = self.0.as_raw_handle();
        let mut length = 0;
        // SAFETY: without a buffer the call only writes the length that it needs.
        unsafe { GetTokenInformation(token, class, null_mut(), 0, &raw mut length) };
        let mut buffer = vec![0_u64; (length as usize).div_ceil(size_of::<u64>())];
        // SAFETY: the buffer has `length` bytes.
        check(unsafe {
            GetTokenInformation(token, class, buffer.as_mut_ptr().cast(), length, &raw mut length)
        })?;
        Ok(Information { buffer, length: length as usize })
    }
}

/// What GetTokenInformation has written, in memory that is aligned for what begins with a pointer.
struct Information {
    buffer: Vec<u64>,
    length: usize,
}

impl Information {
    /// # Safety
    /// What the system has written begins with a `T`.
    unsafe fn read<T>(&self) -> io::Result<&T> {
        if self.length < size_of::<T>() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // SAFETY: as the caller says; there are as many bytes, and no T has a larger alignment than a u64.
        Ok(unsafe { &*self.buffer.as_ptr().cast::<T>() })
    }

    /// The number that it begins with.
    fn number(&self) -> io::Result<u32> {
        // SAFETY: any bits are a number.
        Ok(*unsafe { self.read::<u32>() }?)
    }

    /// What it says where it is TOKEN_GROUPS.
    fn groups(&self) -> io::Result<&[SID_AND_ATTRIBUTES]> {
        // Without any, only their number has to be there.
        let count = self.number()? as usize;
        let offset = std::mem::offset_of!(TOKEN_GROUPS, Groups);
        if count == 0 {
            return Ok(&[]);
        }
        if self.length < offset + count * size_of::<SID_AND_ATTRIBUTES>() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // SAFETY: the groups follow the number at this offset, and there are as many bytes as that takes.
        Ok(unsafe { &*slice_from_raw_parts(self.buffer.as_ptr().byte_add(offset).cast(), count) })
    }
}

/// Whether this process belongs to a logon over the network, as in a session of SSH or PowerShell remoting.
///
/// # Errors
/// The error of Windows.
pub fn is_network_logon() -> io::Result<bool> {
    is_member(WinNetworkSid)
}

/// Whether this process may do what the Administrators may: is one of them, and runs elevated. SYSTEM is, too.
///
/// # Errors
/// The error of Windows.
pub fn is_administrator() -> io::Result<bool> {
    is_member(WinBuiltinAdministratorsSid)
}

/// Whether this process is in a group, and not only to be denied something.
fn is_member(group: WELL_KNOWN_SID_TYPE) -> io::Result<bool> {
    let mut sid = [0_u64; (SECURITY_MAX_SID_SIZE as usize).div_ceil(size_of::<u64>())];
    let (mut length, mut member) = (SECURITY_MAX_SID_SIZE, FALSE);
    // SAFETY: the buffer has room for the longest SID, which is what `length` says.
    check(unsafe { CreateWellKnownSid(group, null_mut(), sid.as_mut_ptr().cast(), &raw mut length) })?;
    // SAFETY: the SID was just written; without a token the call asks about this thread; it writes one number.
    check(unsafe { CheckTokenMembership(null_mut(), sid.as_mut_ptr().cast(), &raw mut member) })?;
    Ok(member != FALSE)
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::Security::{
        CreateRestrictedToken, PSID, TOKEN_DUPLICATE, WinBuiltinUsersSid, WinWorldSid,
    };

    use grpc_ipc_conformance::skip;

    use super::*;

    const EVERYONE: &str = "S-1-1-0";

    /// That of this process, where some SIDs are only to be denied something, and some restrict all others.
    fn filtered(denied: &[PSID], restricting: &[PSID]) -> Token {
        let attributes = |sids: &[PSID]| -> Vec<_> {
            sids.iter().map(|&sid| SID_AND_ATTRIBUTES { Sid: sid, Attributes: 0 }).collect()
        };
        let (denied, restricting) = (attributes(denied), attributes(restricting));
        let (mut own, mut filtered) = (null_mut(), null_mut());
        // SAFETY: as in `Token::own`; the lists are as long as is said, and callers pass SIDs that still live.
        unsafe {
            check(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY | TOKEN_DUPLICATE, &raw mut own))
                .unwrap();
            let own = OwnedHandle::from_raw_handle(own);
            check(CreateRestrictedToken(
                own.as_raw_handle(),
                0,
                denied.len() as u32,
                denied.as_ptr(),
                0,
                null_mut(),
                restricting.len() as u32,
                restricting.as_ptr(),
                &raw mut filtered,
            ))
            .unwrap();
            Token(OwnedHandle::from_raw_handle(filtered))
        }
    }

    fn well_known(kind: WELL_KNOWN_SID_TYPE) -> Vec<u64> {
        let mut sid = vec![0; (SECURITY_MAX_SID_SIZE as usize).div_ceil(size_of::<u64>())];
        let mut length = SECURITY_MAX_SID_SIZE;
        // SAFETY: the buffer has room for the longest SID, which is what `length` says.
        check(unsafe { CreateWellKnownSid(kind, null_mut(), sid.as_mut_ptr().cast(), &raw mut length) })
            .unwrap();
        sid
    }

    /// Wine knows of no restricting SIDs, and of no user that is only to be denied something.
    fn is_wine() -> bool {
        Token::own().unwrap().information(TokenRestrictedSids).is_err()
    }

    #[test]
    fn a_process_is_known_by_its_id() {
        let known = Token::of_process(std::process::id()).unwrap();
        assert_eq!(known.user().unwrap(), Token::own().unwrap().user().unwrap());
        // The id of no process: they are multiples of four.
        assert!(Token::of_process(u32::MAX).is_err());
    }

    #[test]
    fn a_group_that_is_only_to_be_denied_something_is_not_enabled() {
        let everyone = EVERYONE.to_owned();
        let own = Token::own().unwrap();
        assert!(!own.is_restricted().unwrap() && !own.is_user_deny_only().unwrap());
        let groups = own.enabled_groups().unwrap();
        assert!(groups.contains(&everyone), "{groups:?}");
        let mut sid = well_known(WinWorldSid);
        let groups = filtered(&[sid.as_mut_ptr().cast()], &[]).enabled_groups().unwrap();
        assert!(!groups.contains(&everyone), "{groups:?}");
    }

    #[test]
    fn a_user_who_is_only_to_be_denied_something_is_told() {
        if is_wine() {
            return skip("a_user_who_is_only_to_be_denied_something_is_told", "Wine has no such users");
        }
        let own = Token::own().unwrap().information(TokenUser).unwrap();
        // SAFETY: the system writes a TOKEN_USER for this class.
        let user = unsafe { own.read::<TOKEN_USER>() }.unwrap().User.Sid;
        assert!(filtered(&[user], &[]).is_user_deny_only().unwrap());
    }

    #[test]
    fn a_token_with_restricting_sids_is_restricted() {
        if is_wine() {
            return skip("a_token_with_restricting_sids_is_restricted", "Wine has no such tokens");
        }
        let mut sid = well_known(WinBuiltinUsersSid);
        assert!(filtered(&[], &[sid.as_mut_ptr().cast()]).is_restricted().unwrap());
    }
}
