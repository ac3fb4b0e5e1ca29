//! The Win32 calls that no library makes safe.
#![expect(unsafe_code, reason = "this is the one module of this crate that calls Win32")]

mod account;
mod process;
mod token;

pub(super) use account::{AccountKind, account};
pub(super) use process::{creation_time, is_running, open_process, system_time};
pub(super) use token::{Token, is_administrator, is_network_logon};

use std::ffi::c_void;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::ptr::null_mut;

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Foundation::{FALSE, HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, ConvertSidToStringSidW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1, SE_KERNEL_OBJECT,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, LABEL_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR,
    PSID, SECURITY_ATTRIBUTES,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType};
use windows_sys::Win32::System::Pipes::{
    GetNamedPipeClientProcessId, GetNamedPipeClientSessionId, GetNamedPipeInfo, GetNamedPipeServerProcessId,
    GetNamedPipeServerSessionId,
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

/// A SID in its string form.
fn sid_text(sid: PSID) -> io::Result<String> {
    let mut text = null_mut();
    // SAFETY: callers pass a SID that a Win32 call has written, in memory that still lives; the call checks that it is
    // one. `text` is written only on success, and then to be freed by LocalFree.
    check(unsafe { ConvertSidToStringSidW(sid, &raw mut text) })?;
    Ok(from_wide(text))
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

/// Whether what was opened is a pipe: not a file, a device, or a socket.
pub(super) fn is_pipe(opened: &impl AsRawHandle) -> bool {
    let handle = opened.as_raw_handle();
    // SAFETY: the handle is open as long as `opened` is borrowed. GetNamedPipeInfo may be given no place for what it knows.
    unsafe {
        GetFileType(handle) == FILE_TYPE_PIPE
            && GetNamedPipeInfo(handle, null_mut(), null_mut(), null_mut(), null_mut()) != FALSE
    }
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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use tokio::net::windows::named_pipe::ClientOptions;

    use super::*;

    #[test]
    fn a_file_and_a_device_are_no_pipes() {
        assert!(!is_pipe(&File::open(std::env::current_exe().unwrap()).unwrap()));
        assert!(!is_pipe(&File::options().write(true).open("NUL").unwrap()));
        assert!(!is_pipe(&std::net::UdpSocket::bind("127.0.0.1:0").map(AsSocketHandle).unwrap()));
    }

    #[tokio::test]
    async fn a_named_pipe_is_one() {
        let name = format!(r"\\.\pipe\{}", grpc_ipc_conformance::unique_name("is-pipe"));
        let server = ServerOptions::new().create(&name).unwrap();
        let client = ClientOptions::new().open(&name).unwrap();
        assert!(is_pipe(&server) && is_pipe(&client));
    }

    /// A socket, which GetFileType calls a pipe, as a handle.
    struct AsSocketHandle(std::net::UdpSocket);

    impl AsRawHandle for AsSocketHandle {
        fn as_raw_handle(&self) -> std::os::windows::io::RawHandle {
            use std::os::windows::io::AsRawSocket as _;
            self.0.as_raw_socket() as _
        }
    }
}
