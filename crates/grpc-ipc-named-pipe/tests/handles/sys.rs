//! Counts the handles of a process.
#![expect(unsafe_code, reason = "no library makes this call safe")]

use windows_sys::Wdk::System::SystemInformation::NtQuerySystemInformation;
use windows_sys::Win32::Foundation::STATUS_INFO_LENGTH_MISMATCH;

/// The number of handles that this process has open. It searches all handles of the system, because
/// GetProcessHandleCount returns 0 under Wine.
pub(crate) fn handles_of_this_process() -> usize {
    /// `SystemExtendedHandleInformation`: the number of the entries, a reserved number, and the entries.
    const EXTENDED_HANDLES: i32 = 64;
    const HEADER: usize = 2;
    /// An entry: the object, the process id, the handle, and two more numbers.
    const ENTRY: usize = 5;
    let mut handles = vec![0_u64; 1 << 16];
    loop {
        let bytes = size_of_val(&*handles) as u32;
        let mut needed = 0;
        // SAFETY: the buffer has the given number of bytes, and is aligned for a pointer; the call writes one more
        // number.
        let status = unsafe {
            NtQuerySystemInformation(EXTENDED_HANDLES, handles.as_mut_ptr().cast(), bytes, &raw mut needed)
        };
        if status == STATUS_INFO_LENGTH_MISMATCH {
            handles.resize(handles.len() * 2, 0);
            continue;
        }
        assert_eq!(status, 0, "NtQuerySystemInformation: {status:#x}");
        let own = u64::from(std::process::id());
        let entries = handles[HEADER..].chunks_exact(ENTRY).take(handles[0] as usize);
        let count = entries.filter(|entry| entry[1] == own).count();
        assert_ne!(count, 0, "this system does not tell which handles a process has");
        return count;
    }
}
