use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::error::LaunchError;
use crate::backend::start::StartPlace;

/// The destination of the server's output.
#[derive(Clone)]
pub(super) enum Output {
    /// A file beside the lock.
    Beside,
    File(PathBuf),
    Discard,
}

/// The output of one start.
pub(super) struct Log(Option<(PathBuf, u64)>);

/// How much of the output an error contains.
const TAIL: u64 = 8 * 1024;

impl Output {
    /// Makes the program write to this destination.
    pub(super) async fn set(&self, command: &mut Command, place: &StartPlace) -> Result<Log, LaunchError> {
        command.stdin(Stdio::null());
        let opened = match self {
            Self::Beside => place.create_log().await,
            Self::File(path) => {
                OpenOptions::new().append(true).create(true).open(path).map(|file| (file, path.clone()))
            }
            Self::Discard => {
                command.stdout(Stdio::null()).stderr(Stdio::null());
                return Ok(Log(None));
            }
        };
        let (file, path) = opened.map_err(LaunchError::Log)?;
        let start = file.metadata().map_err(LaunchError::Log)?.len();
        command.stdout(file.try_clone().map_err(LaunchError::Log)?).stderr(file);
        Ok(Log(Some((path, start))))
    }
}

impl Log {
    /// The last lines of the output.
    pub(super) fn tail(&self) -> String {
        self.0
            .as_ref()
            .and_then(|(path, start)| tail(File::open(path).ok()?, *start).ok())
            .unwrap_or_default()
    }
}

fn tail(mut file: File, start: u64) -> io::Result<String> {
    let end = file.metadata()?.len();
    let from = start.max(end.saturating_sub(TAIL));
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = match text.split_once('\n') {
        // The first line is incomplete.
        Some((_, rest)) if from > start => rest,
        _ => &text,
    };
    Ok(text.trim_end().to_owned())
}
