mod appearance;
mod connector;
mod descriptor;
mod directory;
mod endpoint;
mod found;
mod given_socket;
mod kept_socket;
mod launchd;
mod listener;
mod lock_file;
mod names;
mod options;
mod owner;
mod peer;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod pidfd;
mod place;
mod registration;
mod runtime_dir;
mod socket_file;
mod start;
mod stream;
mod sys;
mod systemd;
mod trust;
mod watch;

pub use connector::LocalConnector;
pub use listener::LocalListener;
pub use names::SystemNames;
pub use options::ListenOptions;
pub use peer::peer_of;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use pidfd::PidFd;
pub use start::{StartLock, StartPlace};
pub use stream::{LocalSocket, LocalStream};
pub use sys::detach;
