//! The Win32 calls that no library makes safe.
#![expect(unsafe_code, reason = "this is the one file of this backend that calls Win32")]

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle as _, AsRawSocket, FromRawHandle as _, OwnedHandle};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{ERROR_NONE_MAPPED, FALSE, LocalFree};
use windows_sys::Win32::Networking::WinSock::{SIO_AF_UNIX_GETPEERPID, WSAGetLastError, WSAIoctl};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{
    GetTokenInformation, LookupAccountNameW, PSID, SECURITY_MAX_SID_SIZE, SidTypeAlias, SidTypeGroup,
    SidTypeUser, SidTypeWellKnownGroup, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::System::Threading::{
    OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION,
};

/// The process id of a socket's peer.
pub(super) fn peer_process(socket: &impl AsRawSocket) -> io::Result<u32> {
    let (mut pid, mut written) = (0_u32, 0);
    // SAFETY: the socket is open as long as it is borrowed; the call writes at most the four bytes of `pid`, and it has
    // ended when it returns, because there is no OVERLAPPED.
    let result = unsafe {
        WSAIoctl(
            socket.as_raw_socket() as usize,
            SIO_AF_UNIX_GETPEERPID,
            null(),
            0,
            (&raw mut pid).cast(),
            size_of::<u32>() as u32,
            &raw mut written,
            null_mut(),
            None,
        )
    };
    if result != 0 {
        // SAFETY: it has no arguments.
        return Err(io::Error::from_raw_os_error(unsafe { WSAGetLastError() }));
    }
    Ok(pid)
}

/// The SID of the user that a process runs as.
pub(super) fn user_of_process(pid: u32) -> io::Result<String> {
    // SAFETY: the call takes numbers; what it returns is checked, and then ours to close.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pid) };
    if process.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just opened, and nothing else owns it.
    let process = unsafe { OwnedHandle::from_raw_handle(process) };
    let mut token = null_mut();
    // SAFETY: the process is open; `token` is written only on success.
    check(unsafe { OpenProcessToken(process.as_raw_handle(), TOKEN_QUERY, &raw mut token) })?;
    // SAFETY: it was just opened, and nothing else owns it.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };

    let mut length = 0;
    // SAFETY: without a buffer the call only writes the length that it needs.
    unsafe { GetTokenInformation(token.as_raw_handle(), TokenUser, null_mut(), 0, &raw mut length) };
    // u64, because what is written begins with a pointer.
    let mut buffer = vec![0_u64; (length as usize).div_ceil(size_of::<u64>())];
    // SAFETY: the buffer has `length` bytes, and is aligned for TOKEN_USER.
    check(unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            TokenUser,
            buffer.as_mut_ptr().cast(),
            length,
            &raw mut length,
        )
    })?;
    // SAFETY: the call has written a TOKEN_USER, and the SID that it points to, into the buffer, which lives on.
    let sid = unsafe { &*buffer.as_ptr().cast::<TOKEN_USER>() }.User.Sid;
    sid_text(sid)
}

/// A SID in its string form.
fn sid_text(sid: PSID) -> io::Result<String> {
    let mut text = null_mut();
    // SAFETY: callers pass a SID that a Win32 call has written, in memory that still lives. `text` is written only on success, and then to be freed by LocalFree.
    check(unsafe { ConvertSidToStringSidW(sid, &raw mut text) })?;
    // SAFETY: the string ends with a NUL, up to which it is read.
    let length = unsafe { (0..).take_while(|&at| *text.add(at) != 0).count() };
    // SAFETY: as many units were just read.
    let sid = String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, length) });
    // SAFETY: the string is copied, and nothing else frees it.
    unsafe { LocalFree(text.cast::<c_void>()) };
    Ok(sid)
}

/// What kind of account a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccountKind {
    User,
    Group,
    /// One that Windows defines, such as SYSTEM or Everyone.
    WellKnown,
    Other,
}

/// The SID that has a name, and what it is of
/// ([LookupAccountNameW](https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-lookupaccountnamew)).
pub(super) fn account(name: &str) -> io::Result<Option<(String, AccountKind)>> {
    if name.contains('\0') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a name has no NUL in it"));
    }
    let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
    let mut sid = [0_u64; (SECURITY_MAX_SID_SIZE as usize).div_ceil(size_of::<u64>())];
    let mut sid_length = SECURITY_MAX_SID_SIZE;
    // The domain is not wanted, but has to be taken: a DNS name has at most 255 characters.
    let (mut domain, mut kind) = ([0_u16; 256], 0);
    let mut domain_length = domain.len() as u32;
    // SAFETY: the name ends with a NUL; both buffers have room for as much as their lengths say.
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

fn check(succeeded: i32) -> io::Result<()> {
    if succeeded == FALSE { Err(io::Error::last_os_error()) } else { Ok(()) }
}
