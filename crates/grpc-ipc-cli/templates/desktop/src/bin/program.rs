//! The desktop program, without its windows: starts the helper, converts documents, cancels one,
//! and continues after the helper has crashed.
//!
//! ```text
//! $ cargo build && cargo run --bin program
//! letter.txt: 3 of 3 pages
//! novel.txt: cancelled after 3 of 1000 pages
//! crash.txt: the helper has crashed, and is started again
//! report.txt: 3 of 3 pages
//! ```

use std::process::Stdio;
use std::time::Duration;

use grpc_ipc::tonic::Status;
use grpc_ipc::{Channel, ConnectOptions};
use tokio::process::{Child, Command};

use {{crate_name}}::converter::Document;
use {{crate_name}}::converter::converter_client::ConverterClient;

/// A helper process and the client that calls it.
struct Helper {
    /// Dropping it closes the helper's standard input, which ends the helper.
    _process: Child,
    client: ConverterClient<Channel>,
}

impl Helper {
    async fn start() -> anyhow::Result<Self> {
        // A name of its own for each run, so that two runs have two helpers.
        let address = format!("local:{{project-name}}-{}", std::process::id());
        let helper = std::env::current_exe()?
            .with_file_name(format!("helper{}", std::env::consts::EXE_SUFFIX));
        let mut process = Command::new(helper)
            .arg(&address)
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = process.stdin.take();
        // Waits until the helper listens, and fails at once if the helper ends first.
        let options = ConnectOptions::new(address.as_str()).wait(Duration::from_secs(10));
        let channel = Channel::connect_unless(options, process.wait()).await?;
        process.stdin = stdin;
        Ok(Self {
            _process: process,
            client: ConverterClient::new(channel),
        })
    }

    /// Converts a document, and stops after `enough` pages.
    async fn convert(&mut self, name: &str, pages: u32, enough: u32) -> Result<u32, Status> {
        let document = Document {
            name: name.to_owned(),
            pages,
        };
        let mut progress = self.client.convert(document).await?.into_inner();
        let mut converted = 0;
        while let Some(progress) = progress.message().await? {
            converted = progress.page;
            if converted == enough {
                // Dropping the stream cancels the call. The helper stops working on it.
                break;
            }
        }
        Ok(converted)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut helper = Helper::start().await?;
    println!(
        "letter.txt: {} of 3 pages",
        helper.convert("letter.txt", 3, 3).await?
    );
    let converted = helper.convert("novel.txt", 1000, 3).await?;
    println!("novel.txt: cancelled after {converted} of 1000 pages");
    if helper.convert("crash.txt", 1, 1).await.is_err() {
        println!("crash.txt: the helper has crashed, and is started again");
        drop(helper);
        helper = Helper::start().await?;
    }
    println!(
        "report.txt: {} of 3 pages",
        helper.convert("report.txt", 3, 3).await?
    );
    Ok(())
}
