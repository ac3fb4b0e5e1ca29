//! The platform's part of a launcher: a lock that one client holds at a time, a file for the server's output, and
//! starting a program that outlives this one.

pub(crate) use platform::{StartPlace, kill, spawn};

#[cfg(all(feature = "uds", unix))]
mod platform {
    use std::io;
    use std::process::{Child, Command};

    pub(crate) use grpc_ipc_uds::StartPlace;

    /// Starts the program in a session of its own, so this terminal's signals do not reach it.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
        grpc_ipc_uds::detach(command);
        command.spawn()
    }

    /// Ends the program, and the processes of its session.
    pub(crate) fn kill(child: &mut Child) -> io::Result<()> {
        grpc_ipc_uds::kill_detached(child)
    }
}

#[cfg(windows)]
mod platform {
    use std::fs::{self, File, OpenOptions};
    use std::io;
    use std::os::windows::fs::OpenOptionsExt as _;
    use std::os::windows::process::CommandExt as _;
    use std::path::PathBuf;
    use std::process::{Child, Command};

    use grpc_ipc_core::{Address, BindError};

    /// Files in the user's own directory for local data, which nobody else can write to.
    pub(crate) struct StartPlace {
        address: Address,
        path: PathBuf,
    }

    /// A file that no other process can open. Windows removes it when it is closed, even if the process dies.
    pub(crate) struct StartLock(#[expect(dead_code, reason = "closing the file ends the lock")] File);

    const ERROR_SHARING_VIOLATION: i32 = 32;
    /// The file is being removed, after its last handle was closed.
    const ERROR_ACCESS_DENIED: i32 = 5;
    const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
    const DETACHED_PROCESS: u32 = 0x0000_0008;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;

    impl StartPlace {
        pub(crate) fn new(address: &Address) -> Result<Self, BindError> {
            let local = std::env::var_os("LOCALAPPDATA").map(PathBuf::from).filter(|path| path.is_absolute());
            let Some(local) = local else {
                let reason = "LOCALAPPDATA is not set to a directory".to_owned();
                return Err(BindError::NoRuntimeDirectory { address: address.clone(), reason });
            };
            // Names of pipes and files are case-insensitive.
            let name = address.to_string().to_lowercase();
            let readable: String = name
                .chars()
                .map(|char| if char.is_ascii_alphanumeric() || char == '-' { char } else { '_' })
                .take(64)
                .collect();
            // FNV-1a, because the standard library's hash may change between versions.
            let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            let path = local.join("grpc-ipc").join(format!("{readable}~{hash:016x}"));
            Ok(Self { address: address.clone(), path })
        }

        #[expect(clippy::unused_async, reason = "elsewhere it waits")]
        pub(crate) async fn try_lock(&self) -> Result<Option<StartLock>, BindError> {
            let failed =
                |error| BindError::from_io(&self.address, "create the lock file of the start", error);
            self.create_directory().map_err(failed)?;
            let mut options = OpenOptions::new();
            options
                .write(true)
                .create(true)
                .truncate(false)
                .share_mode(0)
                // The target of a link does not belong to this program.
                .custom_flags(FILE_FLAG_DELETE_ON_CLOSE | FILE_FLAG_OPEN_REPARSE_POINT);
            match options.open(self.path.with_extension("start")) {
                Ok(file) => Ok(Some(StartLock(file))),
                Err(error)
                    if matches!(
                        error.raw_os_error(),
                        Some(ERROR_SHARING_VIOLATION | ERROR_ACCESS_DENIED)
                    ) =>
                {
                    Ok(None)
                }
                Err(error) => Err(failed(error)),
            }
        }

        #[expect(clippy::unused_async, reason = "elsewhere it waits")]
        pub(crate) async fn create_log(&self) -> io::Result<(File, PathBuf)> {
            self.create_directory()?;
            let path = self.path.with_extension("log");
            // The previous server may still write to it.
            File::create(&path)?;
            Ok((OpenOptions::new().append(true).open(&path)?, path))
        }

        fn create_directory(&self) -> io::Result<()> {
            self.path.parent().map_or(Ok(()), fs::create_dir_all)
        }
    }

    /// Starts the program without this console, so Ctrl-C does not reach it, and without this program's streams. A
    /// reader of a stream sees its end only when every process with the stream has closed it.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
        command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
        grpc_ipc_win32::spawn_apart(command)
    }

    pub(crate) fn kill(child: &mut Child) -> io::Result<()> {
        child.kill()
    }
}

#[cfg(not(any(windows, all(feature = "uds", unix))))]
mod platform {
    use std::fs::File;
    use std::io;
    use std::path::PathBuf;
    use std::process::{Child, Command};

    use grpc_ipc_core::{Address, BindError};

    pub(crate) enum StartPlace {}

    pub(crate) enum StartLock {}

    impl StartPlace {
        pub(crate) fn new(address: &Address) -> Result<Self, BindError> {
            let reason = "a launcher needs Windows, or the feature `uds` of grpc-ipc on Unix".to_owned();
            Err(BindError::Unsupported { address: address.clone(), reason })
        }

        pub(crate) async fn try_lock(&self) -> Result<Option<StartLock>, BindError> {
            match *self {}
        }

        pub(crate) async fn create_log(&self) -> io::Result<(File, PathBuf)> {
            match *self {}
        }
    }

    pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
        command.spawn()
    }

    pub(crate) fn kill(child: &mut Child) -> io::Result<()> {
        child.kill()
    }
}
