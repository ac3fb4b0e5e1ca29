//! The messages of a request, as they are read.

use std::fs::File;
use std::io::{self, BufReader, Cursor, IsTerminal as _, Read};
use std::thread;

use clap::Args;
use futures_util::Stream;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use prost_reflect::{DynamicMessage, MethodDescriptor};
use tokio::sync::{mpsc, oneshot};

use super::json::Messages;
use super::utf8::Utf8;
use crate::failure::Failure;

/// Options for the messages of a request.
#[derive(Args)]
#[command(next_help_heading = "Request")]
pub(super) struct InputArguments {
    /// The request in JSON; @FILE reads it from a file, and @ from standard input. For a stream, several values one after
    /// the other, or several -d
    #[arg(short, long = "data", value_name = "JSON")]
    data: Vec<String>,
    /// Ignores fields that the request does not have
    #[arg(long)]
    allow_unknown_fields: bool,
}

/// Where messages come from.
pub(super) enum Input {
    /// All of them are here, and have been checked.
    Read(Vec<DynamicMessage>),
    /// They are read while the call runs.
    Reading(Vec<Messages>),
}

impl InputArguments {
    /// What is sent to `method`. The message of a method that takes one is read and checked here, before the call.
    pub(super) fn open(&self, method: &MethodDescriptor) -> Result<Input, Failure> {
        let sources = match self.data.as_slice() {
            [] if method.is_client_streaming() => {
                if io::stdin().is_terminal() {
                    eprintln!("note: type the messages in JSON; Ctrl-D (on Windows Ctrl-Z) ends them");
                }
                vec![self.source("@", method)?]
            }
            [] => return Ok(Input::Read(vec![DynamicMessage::new(method.input())])),
            given => given.iter().map(|data| self.source(data, method)).collect::<Result<_, _>>()?,
        };
        if method.is_client_streaming() {
            return Ok(Input::Reading(sources));
        }
        let messages: Vec<_> = sources.into_iter().flatten().collect::<Result<_, _>>()?;
        match messages.len() {
            1 => Ok(Input::Read(messages)),
            0 => Err(Failure::wrong_input("there is no JSON in the request")
                .hint("An empty request is {}; without -d it is sent, too.")),
            more => Err(Failure::wrong_input(format!(
                "{} takes one message, and the request has {more}",
                method.full_name()
            ))),
        }
    }

    fn source(&self, data: &str, method: &MethodDescriptor) -> Result<Messages, Failure> {
        let (name, text): (_, Box<dyn Read + Send>) = match data.strip_prefix('@') {
            None => ("-d".to_owned(), Box::new(Cursor::new(data.to_owned().into_bytes()))),
            Some("" | "-") => ("standard input".to_owned(), Box::new(BufReader::new(io::stdin()))),
            Some(path) => {
                let file =
                    File::open(path).map_err(|error| Failure::new(format!("cannot read {path}: {error}")))?;
                (path.to_owned(), Box::new(BufReader::new(file)))
            }
        };
        let text = Box::new(Utf8::new(text));
        Ok(Messages::new(name, text, method.input(), self.allow_unknown_fields))
    }
}

impl Input {
    /// The messages, and what completes if one of them is wrong. The stream does not end then, because a server would
    /// take that for the end of the request.
    pub(super) fn into_stream(self) -> (BoxStream<'static, DynamicMessage>, impl Future<Output = Failure>) {
        let (tell, failed) = oneshot::channel();
        let messages = match self {
            Self::Read(messages) => stream::iter(messages).boxed(),
            Self::Reading(sources) => read(sources, tell).boxed(),
        };
        let failed = async {
            match failed.await {
                Ok(failure) => failure,
                Err(_) => std::future::pending().await,
            }
        };
        (messages, failed)
    }
}

/// Reads on a thread of its own: standard input can be read in no other way on every platform. The process does not wait
/// for it.
fn read(
    sources: Vec<Messages>,
    tell: oneshot::Sender<Failure>,
) -> impl Stream<Item = DynamicMessage> + Send + 'static {
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        for message in sources.into_iter().flatten() {
            // The call is over if nobody receives.
            if sender.blocking_send(message).is_err() {
                return;
            }
        }
    });
    stream::unfold((receiver, Some(tell)), async |(mut receiver, mut tell)| match receiver.recv().await? {
        Ok(message) => Some((message, (receiver, tell))),
        Err(failure) => {
            if let Some(tell) = tell.take() {
                _ = tell.send(failure);
            }
            std::future::pending().await
        }
    })
}
