//! The sockets that systemd passes to a service: [sd_listen_fds(3)].
//!
//! The variables stay in the environment. A child process that inherits them ignores them: `LISTEN_PID` is not its
//! process id, and the descriptors are closed in it. Removing them would need `std::env::remove_var`, which races with
//! threads that read the environment.
//!
//! [sd_listen_fds(3)]: https://www.freedesktop.org/software/systemd/man/sd_listen_fds.html

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use grpc_ipc_core::{Address, BindError};

use super::sys;

/// A socket that systemd passed. It stays open for the life of the process, so it can be listened on again.
struct Passed {
    name: String,
    socket: OwnedFd,
    is_taken: bool,
}

/// The sockets passed, or why there are none; `None` before the first use.
static PASSED: Mutex<Option<Result<Vec<Passed>, String>>> = Mutex::new(None);

/// The right to use one of the sockets, released when dropped.
pub(super) struct Lease(usize);

/// Takes the socket called `name`, or the only one if the name is empty.
pub(super) fn take(name: &str, address: &Address) -> Result<(OwnedFd, Lease), BindError> {
    let not_passed = |reason| BindError::NotPassed { address: address.clone(), reason };
    let mut passed = passed();
    let passed = match passed.get_or_insert_with(receive) {
        Ok(passed) => passed,
        Err(reason) => return Err(not_passed(reason.clone())),
    };
    let named: Vec<_> = (0..passed.len()).filter(|&n| name.is_empty() || passed[n].name == name).collect();
    let names = passed.iter().map(|passed| format!("systemd:{}", passed.name)).collect::<Vec<_>>().join(", ");
    let free = named.iter().copied().find(|&n| !passed[n].is_taken);
    let socket = match (free, named.len()) {
        (None, 0) => {
            return Err(not_passed(format!("systemd passed no socket of this name; it passed {names}")));
        }
        (_, 2..) if name.is_empty() => {
            return Err(not_passed(format!("systemd passed more than one socket; choose one of {names}")));
        }
        (None, _) => return Err(BindError::InUse { address: address.clone(), by: None }),
        (Some(socket), _) => socket,
    };
    let passed = &mut passed[socket];
    let copy = passed.socket.try_clone();
    let copy =
        copy.map_err(|error| BindError::from_io(address, "copy the descriptor of the socket", error))?;
    passed.is_taken = true;
    Ok((copy, Lease(socket)))
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(Ok(passed)) = &mut *passed()
            && let Some(passed) = passed.get_mut(self.0)
        {
            passed.is_taken = false;
        }
    }
}

fn passed() -> MutexGuard<'static, Option<Result<Vec<Passed>, String>>> {
    // The guarded value is valid at every point where a panic could happen.
    PASSED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn receive() -> Result<Vec<Passed>, String> {
    let names = names(std::process::id(), |variable| std::env::var_os(variable))?;
    let sockets = sys::passed_descriptors(names.len()).map_err(|(number, error)| {
        format!("descriptor {number}, which LISTEN_FDS says systemd passed, cannot be used: {error}")
    })?;
    let passed = |(name, socket)| Passed { name, socket, is_taken: false };
    Ok(names.into_iter().zip(sockets).map(passed).collect())
}

/// The names of the descriptors passed to the process `pid`, in order; or why there are none.
fn names(pid: u32, variable: impl Fn(&str) -> Option<OsString>) -> Result<Vec<String>, String> {
    let text = |name| variable(name).map(|value| value.to_string_lossy().into_owned());
    let Some(meant) = text("LISTEN_PID") else {
        return Err("systemd passed no socket to this process (LISTEN_PID is not set); start it with its socket unit, \
                    or with systemd-socket-activate"
            .to_owned());
    };
    if meant.parse() != Ok(pid) {
        return Err(format!(
            "the sockets that systemd passed are for another process: LISTEN_PID is {meant:?}, and this process is \
             {pid}; if a script starts this program, the script must exec it"
        ));
    }
    let count = text("LISTEN_FDS").unwrap_or_default();
    let count = match count.parse::<u16>() {
        Ok(count @ 1..) => usize::from(count),
        _ => return Err(format!("systemd passed no socket: LISTEN_FDS is {count:?}")),
    };
    let Some(names) = text("LISTEN_FDNAMES") else {
        return Ok(vec!["unknown".to_owned(); count]);
    };
    let names: Vec<_> = names.split(':').map(str::to_owned).collect();
    if names.len() != count {
        return Err(format!("LISTEN_FDNAMES has {} names, but LISTEN_FDS is {count}", names.len()));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
        names(7, |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn sockets_are_for_the_process_that_is_named() {
        for (pid, part) in
            [("8", "LISTEN_PID is \"8\", and this process is 7"), ("", "another process"), ("x", "another")]
        {
            let error = names_of(&[("LISTEN_PID", pid), ("LISTEN_FDS", "1")]).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        let error = names_of(&[("LISTEN_FDS", "1")]).unwrap_err();
        assert!(error.contains("LISTEN_PID is not set"), "{error}");
    }

    #[test]
    fn a_socket_without_a_name_is_called_unknown() {
        assert_eq!(names_of(&[("LISTEN_PID", "7"), ("LISTEN_FDS", "2")]).unwrap(), ["unknown", "unknown"]);
    }

    #[test]
    fn names_come_in_the_order_of_the_descriptors() {
        let variables = |names| [("LISTEN_PID", "7"), ("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", names)];
        assert_eq!(names_of(&variables("a.socket:b")).unwrap(), ["a.socket", "b"]);
        assert_eq!(names_of(&variables(":")).unwrap(), ["", ""]);
        for names in ["", "a", "a:b:c"] {
            let error = names_of(&variables(names)).unwrap_err();
            assert!(error.contains("names, but LISTEN_FDS is 2"), "{error}");
        }
    }

    #[test]
    fn a_number_of_descriptors_that_is_none_is_an_error() {
        for count in ["", "0", "-1", "x", "99999999999", "65536", " 1"] {
            let error = names_of(&[("LISTEN_PID", "7"), ("LISTEN_FDS", count)]).unwrap_err();
            assert!(error.contains(&format!("LISTEN_FDS is {count:?}")), "{error}");
        }
        assert!(names_of(&[("LISTEN_PID", "7")]).is_err());
    }
}
