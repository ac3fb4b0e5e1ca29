//! The daemon: keeps notes in memory.
//!
//! ```text
//! notesd                                  for this user, until a minute has passed without a call
//! notesd --address unix:/run/notes.sock --group staff --stay
//!                                         as a system service: for a group, until SIGTERM
//! ```

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use grpc_ipc::tonic::{Request, Response, Status, async_trait};
use grpc_ipc::{AccessPolicy, Announcement, ListenOptions, Peer, Server};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt as _};

use {{crate_name}}::ADDRESS;
use {{crate_name}}::notes::notes_server::{Notes, NotesServer};
use {{crate_name}}::notes::{Added, ListRequest, Note};

/// Keeps notes, and serves them to this user and to a group.
#[derive(Parser)]
struct Arguments {
    /// The address to listen on
    #[arg(long, default_value = ADDRESS)]
    address: String,
    /// A group whose members may connect as well
    #[arg(long)]
    group: Option<String>,
    /// Keeps running when there has been no call for a minute
    #[arg(long)]
    stay: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let stop = grpc_ipc::shutdown_signal()?;
    let mut server = Server::builder()
        .announce(Announcement::new("notesd", env!("CARGO_PKG_VERSION")))
        .add_service(NotesServer::new(Book::default()))
        .listen(listen_options(&arguments));
    if !arguments.stay {
        server = server.exit_when_idle(Duration::from_secs(60));
    }
    Ok(server
        .serve_with_shutdown(stop, Duration::from_secs(5))
        .await?)
}

fn listen_options(arguments: &Arguments) -> ListenOptions {
    let mut options = ListenOptions::new(arguments.address.as_str());
    if let Some(group) = &arguments.group {
        options =
            options.access(AccessPolicy::default().or(AccessPolicy::group_names([group.clone()])));
        // The system checks the file's permissions before grpc-ipc checks its policy.
        #[cfg(unix)]
        {
            use grpc_ipc::unix::ListenOptionsExt as _;
            options = options.mode(0o660).group_name(group.clone());
        }
    }
    options
}

#[derive(Clone)]
struct Book {
    notes: Arc<Mutex<Vec<Note>>>,
    added: broadcast::Sender<Note>,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            notes: Arc::default(),
            added: broadcast::channel(64).0,
        }
    }
}

#[async_trait]
impl Notes for Book {
    async fn add(&self, request: Request<Note>) -> Result<Response<Added>, Status> {
        let peer = request
            .extensions()
            .get::<Peer>()
            .map_or_else(String::new, Peer::to_string);
        let note = request.into_inner();
        if note.text.is_empty() {
            return Err(Status::invalid_argument("a note has a text"));
        }
        println!("{peer} adds {:?}", note.text);
        let mut notes = self
            .notes
            .lock()
            .map_err(|_| Status::internal("a call has panicked"))?;
        notes.push(note.clone());
        // Fails if nobody follows.
        _ = self.added.send(note);
        Ok(Response::new(Added {
            number: notes.len() as u32,
        }))
    }

    type ListStream = Pin<Box<dyn Stream<Item = Result<Note, Status>> + Send>>;

    async fn list(
        &self,
        request: Request<ListRequest>,
    ) -> Result<Response<Self::ListStream>, Status> {
        let notes = self
            .notes
            .lock()
            .map_err(|_| Status::internal("a call has panicked"))?;
        let present = tokio_stream::iter(notes.clone()).map(Ok);
        if !request.into_inner().follow {
            return Ok(Response::new(Box::pin(present)));
        }
        // Subscribed under the lock, so that no note is missed.
        let added = BroadcastStream::new(self.added.subscribe()).map(|note| {
            note.map_err(|_| Status::data_loss("notes come faster than they are read"))
        });
        Ok(Response::new(Box::pin(present.chain(added))))
    }
}
