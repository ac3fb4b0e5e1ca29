//! The server, and what it tells the window.

use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use eframe::egui::Context;
use grpc_ipc::tonic::{Code, Request, Response, Status, async_trait};
use grpc_ipc::{CallRecord, Event, RecordCalls, ServeError, Server, ServerHandle};

use crate::greet::greeter_server::{Greeter, GreeterServer};
use crate::greet::{HelloReply, HelloRequest};

/// How long calls may go on when the server is stopped.
pub const DRAIN: Duration = Duration::from_secs(5);

pub enum Message {
    /// A call has ended, or a client was refused.
    Line(Line),
    /// The server has stopped.
    Stopped(Result<(), ServeError>),
}

pub struct Line {
    pub caller: String,
    pub what: String,
    pub result: String,
    /// Shown when the pointer rests on the result.
    pub explanation: Option<String>,
    pub is_good: bool,
}

/// Passes messages to the thread of the window, and wakes it.
#[derive(Clone)]
pub struct Feed {
    pub messages: Sender<Message>,
    pub window: Context,
}

impl Feed {
    fn send(&self, message: Message) {
        // The window may have been closed.
        _ = self.messages.send(message);
        self.window.request_repaint();
    }

    fn call(&self, call: &CallRecord<'_>) {
        self.send(Message::Line(Line {
            caller: call.peer.map_or_else(String::new, ToString::to_string),
            what: format!("{}/{}", call.path.service(), call.path.method()),
            result: format!("{:?} in {:.1?}", call.code, call.duration),
            explanation: None,
            is_good: call.code == Code::Ok,
        }));
    }

    fn event(&self, event: &Event<'_>) {
        if let Event::Refused { peer, why, .. } = event {
            self.send(Message::Line(Line {
                caller: peer.to_string(),
                what: "connection".to_owned(),
                result: "refused".to_owned(),
                explanation: Some(why.to_string()),
                is_good: false,
            }));
        }
    }
}

/// Returns when clients can connect.
pub fn start(address: &str, feed: &Feed) -> Result<ServerHandle, ServeError> {
    let (calls, events) = (feed.clone(), feed.clone());
    Server::builder()
        .add_service(GreeterServer::new(MyGreeter))
        .layer(RecordCalls::server().spans(false).on_call(move |call| calls.call(call)))
        .observe(move |event: &Event<'_>| events.event(event))
        .listen(address)
        .spawn()
}

/// Returns at once: calls under way may take their time, and the window does not wait for them.
pub fn stop(server: ServerHandle, feed: &Feed) {
    let feed = feed.clone();
    thread::spawn(move || feed.send(Message::Stopped(server.shutdown(DRAIN))));
}

struct MyGreeter;

#[async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        match request.into_inner().name.as_str() {
            "" => Err(Status::invalid_argument("the name is empty")),
            name => Ok(Response::new(HelloReply { message: format!("Hello {name}") })),
        }
    }
}
