use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use grpc_ipc_conformance::unique_name;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use tempfile::TempDir;

use crate::outcome::Outcome;
use crate::util::{GREETER, Server, for_everyone};
use crate::{ALICE, CLIENT_POLICIES, SERVER_POLICIES};

/// The programs, and a directory for what they need, which every user may enter.
pub(crate) struct Stage {
    directory: TempDir,
    greeter: PathBuf,
    pub(crate) inherited: PathBuf,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let greeter = for_everyone(GREETER, directory.path());
        let inherited = for_everyone(env!("CARGO_BIN_EXE_inherited"), directory.path());
        Self { directory, greeter, inherited }
    }

    pub(crate) fn directory(&self, name: &str, owner: u32, mode: u32) -> PathBuf {
        let directory = self.directory.path().join(name);
        fs::create_dir(&directory).unwrap();
        chown(&directory, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(mode)).unwrap();
        directory
    }

    pub(crate) fn greeter(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.greeter);
        command.args(arguments).stdin(Stdio::null()).current_dir("/").env_clear();
        command
    }

    /// A server of `user` that listens; what it logs goes to the file that is returned.
    pub(crate) fn serve(&self, user: u32, address: &str, policy: &str, more: &[&str]) -> (Server, PathBuf) {
        let log = self.directory.path().join(unique_name("log"));
        let file = File::create(&log).unwrap();
        let arguments = ["serve", address, "--mode", "0666", "--access", policy];
        let server = as_user(user, &[], || Server::start(self.greeter(&arguments).args(more).stderr(file)));
        (server, log)
    }

    /// A server of Alice's with each policy, which cannot listen. (One that can runs until the watchdog ends the test.)
    pub(crate) fn cannot_start(&self, address: &str, expected: &str) -> Vec<(Outcome, String)> {
        let start = |policy: &&str| {
            let arguments = ["serve", address, "--access", policy];
            as_user(ALICE, &[], || Outcome::of(&self.greeter(&arguments).output().unwrap()))
        };
        SERVER_POLICIES.iter().map(|policy| (start(policy), expected.to_owned())).collect()
    }

    /// What Alice's clients come to, with each policy.
    pub(crate) fn clients(&self, address: &str, expected: [&str; 4]) -> Vec<(Outcome, String)> {
        let cell = |(policy, expected): (&&str, &str)| {
            (self.call((ALICE, &[]), address, policy), expected.to_owned())
        };
        CLIENT_POLICIES.iter().zip(expected).map(cell).collect()
    }

    pub(crate) fn call(&self, (user, groups): (u32, &[u32]), address: &str, policy: &str) -> Outcome {
        let call = || self.greeter(&["call", address, "--access", policy]).output().unwrap();
        Outcome::of(&as_user(user, groups, call))
    }
}

/// Does `task` as a user, whose first group has the same number: on Linux it is threads that belong to users, and what a
/// thread starts belongs to its user, too.
pub(crate) fn as_user<T: Send>(user: u32, groups: &[u32], task: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
            set_thread_groups(&groups).unwrap();
            let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
            set_thread_res_gid(gid, gid, gid).unwrap();
            set_thread_res_uid(uid, uid, uid).unwrap();
            task()
        });
        thread.join().unwrap()
    })
}
