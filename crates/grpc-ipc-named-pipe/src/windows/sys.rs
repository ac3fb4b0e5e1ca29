//! The Win32 calls that no library makes safe.
#![expect(unsafe_code, reason = "this is the one file of this crate that calls Win32")]

use std::io;
use std::os::windows::io::AsRawHandle;
use std::ptr::null_mut;

use grpc_ipc_win32::Descriptor;
use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Foundation::{
    ERROR_BAD_PIPE, ERROR_BROKEN_PIPE, ERROR_NO_DATA, ERROR_PIPE_NOT_CONNECTED, FALSE, HANDLE,
};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType};
use windows_sys::Win32::System::Pipes::{
    GetNamedPipeClientProcessId, GetNamedPipeInfo, GetNamedPipeServerProcessId, GetNamedPipeServerSessionId,
    PeekNamedPipe, WaitNamedPipeW,
};

/// Creates an instance of the pipe `name`.
pub(super) fn create(
    options: &ServerOptions,
    name: &str,
    descriptor: &Descriptor,
) -> io::Result<NamedPipeServer> {
    let mut attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor.as_ptr(),
        bInheritHandle: FALSE,
    };
    // SAFETY: `attributes` and its descriptor live until the call returns; the system copies both.
    unsafe { options.create_with_security_attributes_raw(name, (&raw mut attributes).cast()) }
}

/// A query for one number about a pipe.
type Query = unsafe extern "system" fn(HANDLE, *mut u32) -> i32;

/// The process id of a pipe's client.
pub(super) fn client_process(pipe: &impl AsRawHandle) -> io::Result<u32> {
    query(pipe, GetNamedPipeClientProcessId)
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
    // SAFETY: all functions of this type take a handle, which is open while `pipe` is borrowed, and write one number.
    check(unsafe { query(pipe.as_raw_handle(), &raw mut number) })?;
    Ok(number)
}

/// Whether a pipe with this path exists, free or busy. If all of its instances are busy, this waits for at most a
/// millisecond.
pub(super) fn pipe_exists(path: &str) -> bool {
    let path: Vec<u16> = path.encode_utf16().chain([0]).collect();
    // SAFETY: the path ends with a NUL, and lives until the call returns.
    let free = unsafe { WaitNamedPipeW(path.as_ptr(), 1) } != FALSE;
    // A missing folder in the name, such as an unused protected prefix, causes another error of that kind.
    free || io::Error::last_os_error().kind() != io::ErrorKind::NotFound
}

/// Whether the other end of a pipe has been closed, and nothing is left to read.
pub(super) fn is_closed(pipe: &impl AsRawHandle) -> bool {
    // SAFETY: the handle is open while `pipe` is borrowed. PeekNamedPipe accepts null output pointers.
    let peeked =
        unsafe { PeekNamedPipe(pipe.as_raw_handle(), null_mut(), 0, null_mut(), null_mut(), null_mut()) };
    peeked == FALSE && last_error_says_closed()
}

/// Whether an instance still waits for its client.
pub(super) fn is_listening(instance: &impl AsRawHandle) -> bool {
    // SAFETY: the handle is open while `instance` is borrowed. PeekNamedPipe accepts null output pointers.
    let peeked =
        unsafe { PeekNamedPipe(instance.as_raw_handle(), null_mut(), 0, null_mut(), null_mut(), null_mut()) };
    // With a client, the call succeeds. After the client has disconnected, it reports that.
    let gone = [ERROR_BROKEN_PIPE, ERROR_NO_DATA, ERROR_PIPE_NOT_CONNECTED];
    peeked == FALSE && !last_error_is_one_of(&gone)
}

/// Whether the opened object is a pipe, not a file, a device, or a socket. A pipe whose other end has been closed
/// counts, although nothing else can be queried about it.
pub(super) fn is_pipe(opened: &impl AsRawHandle) -> bool {
    let handle = opened.as_raw_handle();
    // SAFETY: the handle is open while `opened` is borrowed. GetNamedPipeInfo accepts null output pointers.
    unsafe {
        GetFileType(handle) == FILE_TYPE_PIPE
            && (GetNamedPipeInfo(handle, null_mut(), null_mut(), null_mut(), null_mut()) != FALSE
                || last_error_says_closed())
    }
}

/// Whether the previous call failed with an error that only a pipe without its other end causes.
fn last_error_says_closed() -> bool {
    last_error_is_one_of(&[ERROR_BAD_PIPE, ERROR_BROKEN_PIPE, ERROR_NO_DATA, ERROR_PIPE_NOT_CONNECTED])
}

fn last_error_is_one_of(codes: &[u32]) -> bool {
    let error = io::Error::last_os_error().raw_os_error().map(i32::cast_unsigned);
    error.is_some_and(|error| codes.contains(&error))
}

fn check(succeeded: i32) -> io::Result<()> {
    if succeeded == FALSE { Err(io::Error::last_os_error()) } else { Ok(()) }
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
    async fn a_pipe_exists_as_long_as_one_instance_does() {
        let name = format!(r"\\.\pipe\{}", grpc_ipc_conformance::unique_name("exists"));
        assert!(!pipe_exists(&name));
        let server = ServerOptions::new().create(&name).unwrap();
        assert!(pipe_exists(&name));
        let client = ClientOptions::new().open(&name).unwrap();
        assert!(pipe_exists(&name), "it is busy");
        drop((server, client));
        assert!(!pipe_exists(&name));
    }

    #[tokio::test]
    async fn a_pipe_is_closed_once_its_other_end_is() {
        let name = format!(r"\\.\pipe\{}", grpc_ipc_conformance::unique_name("is-closed"));
        let server = ServerOptions::new().create(&name).unwrap();
        let client = ClientOptions::new().open(&name).unwrap();
        server.connect().await.unwrap();
        assert!(!is_closed(&client));
        server.disconnect().unwrap();
        assert!(is_closed(&client));
        assert!(is_pipe(&client), "it is a pipe nevertheless");
        assert!(!is_closed(&File::open(std::env::current_exe().unwrap()).unwrap()), "a file");
    }

    #[tokio::test]
    async fn an_instance_listens_until_it_has_a_client() {
        let name = format!(r"\\.\pipe\{}", grpc_ipc_conformance::unique_name("is-listening"));
        let server = ServerOptions::new().create(&name).unwrap();
        assert!(is_listening(&server), "it has been created");
        let mut connecting = Box::pin(server.connect());
        assert!(futures_util::poll!(&mut connecting).is_pending());
        assert!(is_listening(&server), "it waits");
        let client = ClientOptions::new().open(&name).unwrap();
        assert!(!is_listening(&server), "although the runtime has not noticed");
        drop(client);
        assert!(!is_listening(&server), "the client has gone");
    }

    #[tokio::test]
    async fn a_named_pipe_is_one() {
        let name = format!(r"\\.\pipe\{}", grpc_ipc_conformance::unique_name("is-pipe"));
        let server = ServerOptions::new().create(&name).unwrap();
        let client = ClientOptions::new().open(&name).unwrap();
        assert!(is_pipe(&server) && is_pipe(&client));
    }

    /// A socket's handle. GetFileType reports sockets as pipes.
    struct AsSocketHandle(std::net::UdpSocket);

    impl AsRawHandle for AsSocketHandle {
        fn as_raw_handle(&self) -> std::os::windows::io::RawHandle {
            use std::os::windows::io::AsRawSocket as _;
            self.0.as_raw_socket() as _
        }
    }
}
