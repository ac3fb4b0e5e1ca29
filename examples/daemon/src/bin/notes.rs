//! The command line: starts the daemon if it is not running, and calls it.
//!
//! ```text
//! $ cargo build && cargo run --bin notes add "buy milk"
//! note 1
//! $ cargo run --bin notes list
//! buy milk
//! $ cargo run --bin notes status
//! notesd 0.1.0, process 4242
//! $ cargo run --bin notes stop
//! ```

use std::process::Command;

use clap::{Parser, Subcommand};
use grpc_ipc::{Channel, Launcher};

use notes_daemon::ADDRESS;
use notes_daemon::notes::notes_client::NotesClient;
use notes_daemon::notes::{ListRequest, Note};

/// Keeps notes with a daemon.
#[derive(Parser)]
struct Arguments {
    /// The address of the daemon
    #[arg(long, default_value = ADDRESS)]
    address: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Adds a note
    Add { text: String },
    /// Prints all notes
    List {
        /// Prints further notes as they are added
        #[arg(long)]
        follow: bool,
    },
    /// Prints which daemon is running
    Status,
    /// Asks the daemon to end
    Stop,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { address, action } = Arguments::parse();
    match action {
        Action::Add { text } => {
            let number = NotesClient::new(start(&address).await?)
                .add(Note { text })
                .await?
                .into_inner()
                .number;
            println!("note {number}");
        }
        Action::List { follow } => {
            let channel = start(&address).await?;
            let mut notes = NotesClient::new(channel)
                .list(ListRequest { follow })
                .await?
                .into_inner();
            while let Some(note) = notes.message().await? {
                println!("{}", note.text);
            }
        }
        Action::Status => {
            let daemon = Channel::connect(address.as_str()).await?.describe().await?;
            println!("{} {}, process {}", daemon.name, daemon.version, daemon.pid);
        }
        Action::Stop => {
            Channel::connect(address.as_str())
                .await?
                .ask_to_leave(None)
                .await?
        }
    }
    Ok(())
}

/// A channel to a daemon of this version. It replaces a daemon of another version, as after an
/// update.
async fn start(address: &str) -> anyhow::Result<Channel> {
    let daemon =
        std::env::current_exe()?.with_file_name(format!("notesd{}", std::env::consts::EXE_SUFFIX));
    let listen = address.to_owned();
    let command = move || {
        let mut command = Command::new(&daemon);
        command.arg("--address").arg(&listen);
        command
    };
    Ok(Launcher::new(address, command)
        .version(env!("CARGO_PKG_VERSION"))
        .replace_other_versions()
        .connect()
        .await?)
}
