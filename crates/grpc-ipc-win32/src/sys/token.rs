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
/// See [`SE_GROUP_ENABLED`].
const SE_GROUP_USE_FOR_DENY_ONLY: u32 = 0x10;

/// An access token: the identity of a process or client on Windows.
pub struct Token(OwnedHandle);

impl Token {
    /// The token of this process.
    ///
    /// # Errors
    /// The error of Windows.
    pub fn own() -> io::Result<Self> {
        // SAFETY: the call has no arguments; the pseudo handle that it returns need not be closed.
        let process = unsafe { BorrowedHandle::borrow_raw(GetCurrentProcess()) };
        Self::of(process)
    }

    /// The token of the process that has the id `pid` now.
    ///
    /// # Errors
    /// If there is no such process, or this process may not open it.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        let process = process::open(pid, PROCESS_QUERY_LIMITED_INFORMATION)?;
        Self::of(process.as_handle())
    }

    fn of(process: BorrowedHandle<'_>) -> io::Result<Self> {
        let mut token = null_mut();
        // SAFETY: the process is open while it is borrowed; `token` is written only on success, and must then be closed
        // here.
        unsafe {
            check(OpenProcessToken(process.as_raw_handle(), TOKEN_QUERY, &raw mut token))?;
            Ok(Self(OwnedHandle::from_raw_handle(token)))
        }
    }

    /// The token of a pipe's client, at the level that the client allows. `pipe` is the server's end. This thread
    /// impersonates the client only while it opens the token, without any await in between. If it cannot revert, the
    /// process ends.
    ///
    /// # Errors
    /// If the client does not allow identification, or does not do so yet (`ERROR_CANNOT_IMPERSONATE`).
    pub fn of_client(pipe: &impl AsHandle) -> io::Result<Self> {
        let mut token = null_mut();
        // SAFETY: the handle is open while `pipe` is borrowed.
        check(unsafe { ImpersonateNamedPipeClient(pipe.as_handle().as_raw_handle()) })?;
        // SAFETY: GetCurrentThread returns a pseudo handle that need not be closed; `token` is written only on success.
        // The access check uses this process, not the client.
        let opened = check(unsafe { OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &raw mut token) });
        // SAFETY: the call has no arguments.
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

    /// Whether the user is a deny-only entry of the token, so that the token does not have the user's permissions.
    ///
    /// # Errors
    /// The error of Windows.
    pub fn is_user_deny_only(&self) -> io::Result<bool> {
        let information = self.information(TokenUser)?;
        // SAFETY: the system writes a TOKEN_USER for this class.
        let user = unsafe { information.read::<TOKEN_USER>() }?.User;
        Ok(user.Attributes & SE_GROUP_USE_FOR_DENY_ONLY != 0)
    }

    /// The SID of the default owner of new objects: the user's, or, for an elevated token, that of the Administrators.
    ///
    /// # Errors
    /// The error of Windows.
    pub fn default_owner(&self) -> io::Result<String> {
        let information = self.information(TokenOwner)?;
        // SAFETY: the system writes a TOKEN_OWNER for this class.
        sid_text(unsafe { information.read::<TOKEN_OWNER>() }?.Owner)
    }

    /// The SIDs of the enabled groups, without deny-only groups.
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

    /// Whether the token has restricting SIDs, so that its groups alone do not determine what it may do.
    ///
    /// # Errors
    /// The error of Windows.
    pub fn is_restricted(&self) -> io::Result<bool> {
        match self.information(TokenRestrictedSids) {
            Ok(restricting) => Ok(!restricting.groups()?.is_empty()),
            // Wine does not know restricting SIDs. Windows has had them since Windows 2000.
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
        // SAFETY: the SID is in `information`, which is still alive; a SID has at least one number, and the last one is
        // read.
        Ok(unsafe { *GetSidSubAuthority(sid, u32::from(*GetSidSubAuthorityCount(sid)).saturating_sub(1)) })
    }

    /// Whether the token is elevated (`TokenElevation`).
    ///
    /// # Errors
    /// The error of Windows.
    pub fn is_elevated(&self) -> io::Result<bool> {
        Ok(self.information(TokenElevation)?.number()? != 0)
    }

    /// The SID of the AppContainer's package, if the token has one.
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

    /// The session of the token.
    ///
    /// # Errors
    /// The error of Windows.
    pub fn session(&self) -> io::Result<u32> {
        self.information(TokenSessionId)?.number()
    }

    fn information(&self, class: TOKEN_INFORMATION_CLASS) -> io::Result<Information> {
        let token = self.0.as_raw_handle();
        let mut length = 0;
        // SAFETY: without a buffer, the call only writes the required length.
        unsafe { GetTokenInformation(token, class, null_mut(), 0, &raw mut length) };
        let mut buffer = vec![0_u64; (length as usize).div_ceil(size_of::<u64>())];
        // SAFETY: the buffer has `length` bytes.
        check(unsafe {
            GetTokenInformation(token, class, buffer.as_mut_ptr().cast(), length, &raw mut length)
        })?;
        Ok(Information { buffer, length: length as usize })
    }
}

/// The output of GetTokenInformation, in memory that is aligned for a pointer.
struct Information {
    buffer: Vec<u64>,
    length: usize,
}

impl Information {
    /// # Safety
    /// The output must begin with a `T`.
    unsafe fn read<T>(&self) -> io::Result<&T> {
        if self.length < size_of::<T>() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // SAFETY: the caller guarantees the type; there are enough bytes, and no T has a larger alignment than a u64.
        Ok(unsafe { &*self.buffer.as_ptr().cast::<T>() })
    }

    /// The number at the beginning.
    fn number(&self) -> io::Result<u32> {
        // SAFETY: any bits are a number.
        Ok(*unsafe { self.read::<u32>() }?)
    }

    /// The groups, if the output is a TOKEN_GROUPS.
    fn groups(&self) -> io::Result<&[SID_AND_ATTRIBUTES]> {
        // Without groups, only their number has to be there.
        let count = self.number()? as usize;
        let offset = std::mem::offset_of!(TOKEN_GROUPS, Groups);
        if count == 0 {
            return Ok(&[]);
        }
        if self.length < offset + count * size_of::<SID_AND_ATTRIBUTES>() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // SAFETY: the groups follow the number at this offset, and there are enough bytes.
        Ok(unsafe { &*slice_from_raw_parts(self.buffer.as_ptr().byte_add(offset).cast(), count) })
    }
}

/// Whether this process belongs to a network logon, as in a session of SSH or PowerShell remoting.
///
/// # Errors
/// The error of Windows.
pub fn is_network_logon() -> io::Result<bool> {
    is_member(WinNetworkSid)
}

/// Whether this process has the rights of an administrator: it runs elevated, or as SYSTEM.
///
/// # Errors
/// The error of Windows.
pub fn is_administrator() -> io::Result<bool> {
    is_member(WinBuiltinAdministratorsSid)
}

/// Whether this process is in a group that is not deny-only.
fn is_member(group: WELL_KNOWN_SID_TYPE) -> io::Result<bool> {
    let mut sid = [0_u64; (SECURITY_MAX_SID_SIZE as usize).div_ceil(size_of::<u64>())];
    let (mut length, mut member) = (SECURITY_MAX_SID_SIZE, FALSE);
    // SAFETY: the buffer has room for the longest SID, whose length is in `length`.
    check(unsafe { CreateWellKnownSid(group, null_mut(), sid.as_mut_ptr().cast(), &raw mut length) })?;
    // SAFETY: the SID was just written; without a token, the call checks this thread; it writes one number.
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

    /// This process's token, with some deny-only SIDs and some restricting ones.
    fn filtered(denied: &[PSID], restricting: &[PSID]) -> Token {
        let attributes = |sids: &[PSID]| -> Vec<_> {
            sids.iter().map(|&sid| SID_AND_ATTRIBUTES { Sid: sid, Attributes: 0 }).collect()
        };
        let (denied, restricting) = (attributes(denied), attributes(restricting));
        let (mut own, mut filtered) = (null_mut(), null_mut());
        // SAFETY: as in `Token::own`; the lists have the given lengths, and callers pass SIDs that are still valid.
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
        // SAFETY: the buffer has room for the longest SID, whose length is in `length`.
        check(unsafe { CreateWellKnownSid(kind, null_mut(), sid.as_mut_ptr().cast(), &raw mut length) })
            .unwrap();
        sid
    }

    /// Wine has neither restricting SIDs nor deny-only users.
    fn is_wine() -> bool {
        Token::own().unwrap().information(TokenRestrictedSids).is_err()
    }

    #[test]
    fn a_process_is_known_by_its_id() {
        let known = Token::of_process(std::process::id()).unwrap();
        assert_eq!(known.user().unwrap(), Token::own().unwrap().user().unwrap());
        // No process has this id: ids are multiples of four.
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
