//! The Win32 calls that no library makes safe.
#![expect(unsafe_code, reason = "this is the one file of this crate that calls Win32")]

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle as _, OwnedHandle};
use std::ptr::{null, null_mut};

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Foundation::{ERROR_NONE_MAPPED, FALSE, HANDLE, LocalFree, TRUE};
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, ConvertSidToStringSidW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1, SE_KERNEL_OBJECT,
};
use windows_sys::Win32::Security::{
    CheckTokenMembership, CreateWellKnownSid, DACL_SECURITY_INFORMATION, GetTokenInformation,
    LABEL_SECURITY_INFORMATION, LookupAccountNameW, OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID,
    RevertToSelf, SECURITY_ATTRIBUTES, SECURITY_MAX_SID_SIZE, SidTypeAlias, SidTypeGroup, SidTypeUser,
    SidTypeWellKnownGroup, TOKEN_INFORMATION_CLASS, TOKEN_OWNER, TOKEN_QUERY, TOKEN_USER, TokenOwner,
    TokenUser, WinNetworkSid,
};
use windows_sys::Win32::System::Pipes::{
    GetNamedPipeClientProcessId, GetNamedPipeClientSessionId, GetNamedPipeServerProcessId,
    GetNamedPipeServerSessionId, ImpersonateNamedPipeClient,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentThread, OpenProcessToken, OpenThreadToken,
};

/// Memory that a Win32 call has allocated, freed by LocalFree.
struct Local(*mut c_void);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a call whose documentation says to free it with LocalFree, and nothing else
        // frees it.
        unsafe { LocalFree(self.0) };
    }
}

/// A security descriptor, ready to create pipes with.
pub(super) struct Descriptor(Local);

// SAFETY: nothing changes the memory of a descriptor once it is made, and the process's heap knows no threads.
unsafe impl Send for Descriptor {}
// SAFETY: as above; it is only read.
unsafe impl Sync for Descriptor {}

impl Descriptor {
    /// What `sddl` says, in the [security descriptor definition
    /// language](https://learn.microsoft.com/windows/win32/secauthz/security-descriptor-string-format).
    pub(super) fn from_sddl(sddl: &str) -> io::Result<Self> {
        let sddl = wide(sddl);
        let mut descriptor = null_mut();
        // SAFETY: `sddl` ends with a NUL; `descriptor` is written only on success, and then to be freed by LocalFree.
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
}

/// Creates an instance of the pipe `name`.
pub(super) fn create(
    options: &ServerOptions,
    name: &str,
    descriptor: &Descriptor,
) -> io::Result<NamedPipeServer> {
    let mut attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor.0.0,
        bInheritHandle: FALSE,
    };
    // SAFETY: `attributes` is whole, and it and the descriptor that it points to live until the call returns; the
    // system copies both.
    unsafe { options.create_with_security_attributes_raw(name, (&raw mut attributes).cast()) }
}

/// Owner, DACL and mandatory label of a pipe, as SDDL.
pub(super) fn descriptor_of(pipe: &impl AsRawHandle) -> io::Result<String> {
    let wanted = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION | LABEL_SECURITY_INFORMATION;
    let (descriptor, _) = security_info(pipe, wanted)?;
    let mut text = null_mut();
    // SAFETY: the descriptor is the one that GetSecurityInfo made; `text` is written only on success, and then to be
    // freed by LocalFree.
    check(unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor.0,
            SDDL_REVISION_1,
            wanted,
            &raw mut text,
            null_mut(),
        )
    })?;
    Ok(from_wide(text))
}

/// The SID of a pipe's owner. Only a user's own SID, or one of his groups that may own, can be set as the owner by a
/// program without the privilege to restore files: so it tells who made the pipe.
pub(super) fn owner_of(pipe: &impl AsRawHandle) -> io::Result<String> {
    let (_descriptor, owner) = security_info(pipe, OWNER_SECURITY_INFORMATION)?;
    sid_text(owner)
}

/// The descriptor, and the owner that points into it.
fn security_info(pipe: &impl AsRawHandle, wanted: u32) -> io::Result<(Local, PSID)> {
    let mut descriptor: PSECURITY_DESCRIPTOR = null_mut();
    let mut owner: PSID = null_mut();
    // SAFETY: the handle is open as long as `pipe` is borrowed. The pointers are written only on success; the
    // descriptor is then to be freed by LocalFree.
    let error = unsafe {
        GetSecurityInfo(
            pipe.as_raw_handle(),
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

/// The SID of the user that this process runs as.
pub(super) fn own_user() -> io::Result<String> {
    token_user(&own_token()?)
}

/// The SID that owns what this process makes without saying who shall: the user's, or for one that runs elevated that
/// of the Administrators.
pub(super) fn own_default_owner() -> io::Result<String> {
    let buffer = token_information(&own_token()?, TokenOwner)?;
    // SAFETY: the call has written a TOKEN_OWNER, and the SID that it points to, into the buffer, which lives on.
    let owner = unsafe { &*buffer.as_ptr().cast::<TOKEN_OWNER>() };
    sid_text(owner.Owner)
}

/// Whether this process belongs to a logon over the network, as in a session of SSH or PowerShell remoting.
pub(super) fn is_network_logon() -> io::Result<bool> {
    let mut sid = [0_u64; (SECURITY_MAX_SID_SIZE as usize).div_ceil(size_of::<u64>())];
    let (mut length, mut member) = (SECURITY_MAX_SID_SIZE, FALSE);
    // SAFETY: the buffer has room for the longest SID, which is what `length` says.
    check(unsafe {
        CreateWellKnownSid(WinNetworkSid, null_mut(), sid.as_mut_ptr().cast(), &raw mut length)
    })?;
    // SAFETY: the SID was just written; without a token the call asks about this thread; it writes one number.
    check(unsafe { CheckTokenMembership(null_mut(), sid.as_mut_ptr().cast(), &raw mut member) })?;
    Ok(member != FALSE)
}

fn own_token() -> io::Result<OwnedHandle> {
    let mut token = null_mut();
    // SAFETY: GetCurrentProcess returns a pseudo handle that needs no closing; `token` is written only on success, and
    // is then ours to close.
    unsafe {
        check(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token))?;
        Ok(OwnedHandle::from_raw_handle(token))
    }
}

/// The SID of the user at the client's end of a pipe, as the client lets it be known.
pub(super) fn client_user(pipe: &NamedPipeServer) -> io::Result<String> {
    token_user(&client_token(pipe)?)
}

/// The token of the client. This thread is the client for as long as it takes to open it, and no longer: nothing is
/// awaited in between, and a thread that cannot become itself again must not go on.
fn client_token(pipe: &NamedPipeServer) -> io::Result<OwnedHandle> {
    let mut token = null_mut();
    // SAFETY: the handle is open as long as `pipe` is borrowed.
    check(unsafe { ImpersonateNamedPipeClient(pipe.as_raw_handle()) })?;
    // SAFETY: GetCurrentThread returns a pseudo handle that needs no closing; `token` is written only on success. The
    // access is checked against this process, not against the client.
    let opened = check(unsafe { OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &raw mut token) });
    // SAFETY: it has no arguments.
    if unsafe { RevertToSelf() } == FALSE {
        std::process::abort();
    }
    opened?;
    // SAFETY: the token was opened above, and nothing else owns it.
    Ok(unsafe { OwnedHandle::from_raw_handle(token) })
}

fn token_user(token: &OwnedHandle) -> io::Result<String> {
    let buffer = token_information(token, TokenUser)?;
    // SAFETY: the call has written a TOKEN_USER, and the SID that it points to, into the buffer, which lives on.
    let user = unsafe { &*buffer.as_ptr().cast::<TOKEN_USER>() };
    sid_text(user.User.Sid)
}

/// What GetTokenInformation says of `class`, in memory that is aligned for what begins with a pointer.
fn token_information(token: &OwnedHandle, class: TOKEN_INFORMATION_CLASS) -> io::Result<Vec<u64>> {
    let mut length = 0;
    // SAFETY: without a buffer the call only writes the length that it needs.
    unsafe { GetTokenInformation(token.as_raw_handle(), class, null_mut(), 0, &raw mut length) };
    let mut buffer = vec![0_u64; (length as usize).div_ceil(size_of::<u64>())];
    // SAFETY: the buffer has `length` bytes.
    check(unsafe {
        GetTokenInformation(token.as_raw_handle(), class, buffer.as_mut_ptr().cast(), length, &raw mut length)
    })?;
    Ok(buffer)
}

/// A SID in its string form.
fn sid_text(sid: PSID) -> io::Result<String> {
    let mut text = null_mut();
    // SAFETY: callers pass a SID that a Win32 call has written, in memory that still lives; the call checks that it is
    // one. `text` is written only on success, and then to be freed by LocalFree.
    check(unsafe { ConvertSidToStringSidW(sid, &raw mut text) })?;
    Ok(from_wide(text))
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

/// A query of one number about a pipe.
type Query = unsafe extern "system" fn(HANDLE, *mut u32) -> i32;

/// The process id of a pipe's client.
pub(super) fn client_process(pipe: &impl AsRawHandle) -> io::Result<u32> {
    query(pipe, GetNamedPipeClientProcessId)
}

/// The session of a pipe's client.
pub(super) fn client_session(pipe: &impl AsRawHandle) -> io::Result<u32> {
    query(pipe, GetNamedPipeClientSessionId)
}

/// The process id of a pipe's server.
pub(super) fn server_process(pipe: &impl AsRawHandle) -> io::Result<u32> {
    query(pipe, GetNamedPipeServerProcessId)
}

/// The session of a pipe's server.
pub(super) fn server_session(pipe: &impl AsRawHandle) -> io::Result<u32> {
    query(pipe, GetNamedPipeServerSessionId)
}

fn query(pipe: &impl AsRawHandle, query: Query) -> io::Result<u32> {
    let mut number = 0;
    // SAFETY: all functions of this type take a handle, which is open as long as `pipe` is borrowed, and write one
    // number.
    check(unsafe { query(pipe.as_raw_handle(), &raw mut number) })?;
    Ok(number)
}

fn check(succeeded: i32) -> io::Result<()> {
    if succeeded == FALSE { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Takes over a string that ends with a NUL, and that is to be freed by LocalFree.
fn from_wide(text: *mut u16) -> String {
    let text = Local(text.cast());
    let start = text.0.cast::<u16>();
    // SAFETY: the string ends with a NUL, up to which it is read.
    let length = unsafe { (0..).take_while(|&at| *start.add(at) != 0).count() };
    // SAFETY: as many units were just read; they live as long as `text`.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(start, length) })
}
