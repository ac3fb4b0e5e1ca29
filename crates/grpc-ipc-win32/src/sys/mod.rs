//! The Win32 calls that no library makes safe.
#![expect(unsafe_code, reason = "this is the one module of this crate that calls Win32")]

mod account;
mod descriptor;
mod process;
mod streams;
mod token;

pub(crate) use account::{AccountKind, account};
pub use descriptor::{Descriptor, descriptor_of, owner_of};
pub use process::{creation_time, is_running, open_process, system_time};
pub use streams::spawn_apart;
pub use token::{Token, is_administrator, is_network_logon};

use std::ffi::c_void;
use std::io;
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{FALSE, LocalFree};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::PSID;

/// Memory that a Win32 call has allocated. It is freed with LocalFree.
struct Local(*mut c_void);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: the documentation of the call that returned the pointer says to free it with LocalFree, and nothing
        // else frees it.
        unsafe { LocalFree(self.0) };
    }
}

/// A SID in its string form.
fn sid_text(sid: PSID) -> io::Result<String> {
    let mut text = null_mut();
    // SAFETY: callers pass a SID that a Win32 call has written, in memory that is still valid; the call checks the SID.
    // `text` is written only on success, and must then be freed with LocalFree.
    check(unsafe { ConvertSidToStringSidW(sid, &raw mut text) })?;
    Ok(from_wide(text))
}

fn check(succeeded: i32) -> io::Result<()> {
    if succeeded == FALSE { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// Takes ownership of a string that ends with a NUL and must be freed with LocalFree.
fn from_wide(text: *mut u16) -> String {
    let text = Local(text.cast());
    let start = text.0.cast::<u16>();
    // SAFETY: the string is read only up to the NUL at its end.
    let length = unsafe { (0..).take_while(|&at| *start.add(at) != 0).count() };
    // SAFETY: this many units were just read; they live as long as `text`.
    String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(start, length) })
}
