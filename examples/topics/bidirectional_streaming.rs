//! A stream of requests and a stream of responses, both open at the same time.
//!
//! ```text
//! cargo run -p topics --bin bidirectional_streaming
//! ```
//!
//! prints
//!
//! ```text
//! client: hello
//! server: HELLO
//! client: is anybody there?
//! server: IS ANYBODY THERE?
//! the server has ended the stream
//! ```

use std::pin::Pin;

use grpc_ipc::Server;
use grpc_ipc::tonic::{Request, Response, Status, Streaming, async_trait};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};

mod topics {
    grpc_ipc::include_proto!("topics");
}

use topics::Line;
use topics::chat_client::ChatClient;
use topics::chat_server::{Chat, ChatServer};

const ADDRESS: &str = "local:topics-bidirectional-streaming";

struct MyChat;

#[async_trait]
impl Chat for MyChat {
    type TalkStream = Pin<Box<dyn Stream<Item = Result<Line, Status>> + Send>>;

    async fn talk(&self, request: Request<Streaming<Line>>) -> Result<Response<Self::TalkStream>, Status> {
        // Each request has one response here. The two streams may as well be independent of each other.
        let answers = request.into_inner().map(|line| Ok(Line { text: line?.text.to_uppercase() }));
        Ok(Response::new(Box::pin(answers)))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().add_service(ChatServer::new(MyChat)).listen(ADDRESS).bind().await?;
    tokio::spawn(server.serve());

    let mut chat = ChatClient::connect(ADDRESS).await?;
    let (lines, sent) = mpsc::channel(1);
    let mut answers = chat.talk(ReceiverStream::new(sent)).await?.into_inner();
    for text in ["hello", "is anybody there?"] {
        println!("client: {text}");
        lines.send(Line { text: text.to_owned() }).await?;
        let answer = answers.message().await?.ok_or("the server has ended the stream early")?;
        println!("server: {}", answer.text);
    }
    // The stream of requests ends with its sender.
    drop(lines);
    if answers.message().await?.is_none() {
        println!("the server has ended the stream");
    }
    Ok(())
}
