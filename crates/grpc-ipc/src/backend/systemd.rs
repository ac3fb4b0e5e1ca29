//! Notifies systemd of the state of a service: [sd_notify(3)].
//!
//! [`Server::notify_systemd`](crate::Server::notify_systemd) reports the states of a server. Use [`notify`] for other
//! states, such as a reload of the configuration:
//!
//! ```no_run
//! # fn read_configuration() -> std::io::Result<()> { Ok(()) }
//! # fn example() -> std::io::Result<()> {
//! use grpc_ipc::unix::systemd::{State, notify};
//!
//! notify(State::Reloading)?;
//! read_configuration()?;
//! notify(State::Ready)?;
//! # Ok(())
//! # }
//! ```
//!
//! [sd_notify(3)]: https://www.freedesktop.org/software/systemd/man/sd_notify.html

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The state of a service, for systemd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State<'a> {
    /// The service has started, or has reloaded its configuration (`READY=1`).
    Ready,
    /// The service is reloading its configuration (`RELOADING=1` with `MONOTONIC_USEC=`, as `Type=notify-reload`
    /// requires). `Ready` must follow.
    Reloading,
    /// The service is about to end (`STOPPING=1`).
    Stopping,
    /// A line of text that `systemctl status` shows (`STATUS=`). Line breaks become spaces.
    Status(&'a str),
    /// The service is alive (`WATCHDOG=1`), for `WatchdogSec=`.
    Watchdog,
}

/// Notifies systemd, if systemd started this process and asked for notifications. Returns whether a notification was
/// sent. It does not block.
///
/// systemd asks for them with `NOTIFY_SOCKET`, which names the socket to send to: a path or, on Linux, an abstract name
/// after `@`.
///
/// # Errors
/// - [`WouldBlock`](io::ErrorKind::WouldBlock) if systemd has not read earlier messages
/// - [`Unsupported`](io::ErrorKind::Unsupported) if `NOTIFY_SOCKET` has another kind of address
/// - otherwise the system's error if sending fails
pub fn notify(state: State<'_>) -> io::Result<bool> {
    match std::env::var_os("NOTIFY_SOCKET") {
        Some(address) if !address.is_empty() => send(&address, &message(state)).map(|()| true),
        _ => Ok(false),
    }
}

/// The longest time that systemd accepts between two signs of life (`WATCHDOG_USEC`), if it expects any.
pub(crate) fn watchdog() -> Option<Duration> {
    watchdog_of(std::process::id(), |name| std::env::var(name).ok())
}

fn watchdog_of(pid: u32, variable: impl Fn(&str) -> Option<String>) -> Option<Duration> {
    if variable("WATCHDOG_PID").is_some_and(|meant| meant.parse() != Ok(pid)) {
        return None;
    }
    let limit = variable("WATCHDOG_USEC")?.parse().ok()?;
    Some(Duration::from_micros(limit)).filter(|limit| !limit.is_zero())
}

fn message(state: State<'_>) -> String {
    match state {
        State::Ready => "READY=1".to_owned(),
        State::Reloading => {
            let now = clock_gettime(ClockId::Monotonic);
            let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
            format!("RELOADING=1\nMONOTONIC_USEC={microseconds}")
        }
        State::Stopping => "STOPPING=1".to_owned(),
        State::Status(text) => format!("STATUS={}", text.replace(['\n', '\r'], " ")),
        State::Watchdog => "WATCHDOG=1".to_owned(),
    }
}

fn send(address: &OsStr, message: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    let sent = match address.as_bytes() {
        [b'/', ..] => socket.send_to(message.as_bytes(), address)?,
        #[cfg(any(target_os = "linux", target_os = "android"))]
        [b'@', name @ ..] => {
            #[cfg(target_os = "android")]
            use std::os::android::net::SocketAddrExt as _;
            #[cfg(target_os = "linux")]
            use std::os::linux::net::SocketAddrExt as _;

            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            socket.send_to_addr(message.as_bytes(), &address)?
        }
        _ => {
            let reason =
                format!("NOTIFY_SOCKET is {address:?}, which is neither a path nor an abstract name");
            return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
        }
    };
    // A datagram is sent whole.
    debug_assert_eq!(sent, message.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn a_message_goes_to_a_path_or_an_abstract_name() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let receive = |socket: &UnixDatagram| {
            let mut buffer = [0; 64];
            let length = socket.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        send(path.as_os_str(), "READY=1").unwrap();
        assert_eq!(receive(&socket), "READY=1");
        #[cfg(target_os = "linux")]
        {
            use std::os::linux::net::SocketAddrExt as _;

            let name = grpc_ipc_conformance::unique_name("notify");
            let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
            let socket = UnixDatagram::bind_addr(&address).unwrap();
            send(OsStr::new(&format!("@{name}")), "STOPPING=1").unwrap();
            assert_eq!(receive(&socket), "STOPPING=1");
        }
        for other in ["vsock:2:1", "notify", ""] {
            assert_eq!(send(OsStr::new(other), "x").unwrap_err().kind(), ErrorKind::Unsupported, "{other}");
        }
    }

    #[test]
    fn messages_are_those_of_sd_notify() {
        assert_eq!(message(State::Ready), "READY=1");
        assert_eq!(message(State::Stopping), "STOPPING=1");
        assert_eq!(message(State::Watchdog), "WATCHDOG=1");
        assert_eq!(message(State::Status("a\nREADY=1")), "STATUS=a READY=1");
        let text = message(State::Reloading);
        let time = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(time.parse::<u64>().unwrap() > 0);
    }

    #[test]
    fn the_watchdog_is_for_the_process_that_is_named() {
        let watchdog = |pid: Option<&str>, limit: &str| {
            watchdog_of(7, |name| match name {
                "WATCHDOG_PID" => pid.map(str::to_owned),
                _ => Some(limit.to_owned()),
            })
        };
        assert_eq!(watchdog(Some("7"), "3000000"), Some(Duration::from_secs(3)));
        assert_eq!(watchdog(None, "3000000"), Some(Duration::from_secs(3)));
        assert_eq!(watchdog(Some("8"), "3000000"), None);
        assert_eq!(watchdog(Some("x"), "3000000"), None);
        assert_eq!(watchdog(None, "0"), None);
        assert_eq!(watchdog(None, "-1"), None);
        assert_eq!(watchdog_of(7, |_| None), None);
    }
}
