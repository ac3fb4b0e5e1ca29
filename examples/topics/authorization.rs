//! Two questions: who may connect (`AccessPolicy`), and who may call which method (`Authorize`).
//!
//! ```text
//! cargo run -p topics --bin authorization
//! ```
//!
//! prints
//!
//! ```text
//! root says hello: Hello Ada
//! root watches the clock: tick 1
//! user 1000 says hello: Hello Ada
//! user 1000 watches the clock: PermissionDenied
//! user 2000 says hello: not let in
//! ```
//!
//! The clients are connected in memory, so that they can be of three users; `local:` and `unix:` addresses ask the
//! operating system for the user.

use std::pin::Pin;

use grpc_ipc::tonic::{Request, Response, Status, async_trait};
use grpc_ipc::{AccessPolicy, Authorize, Channel, ListenOptions, Peer, PeerStream, Server, UserId};
use tokio_stream::{Stream, StreamExt as _};

mod topics {
    grpc_ipc::include_proto!("topics");
}

use topics::clock_client::ClockClient;
use topics::clock_server::{Clock, ClockServer};
use topics::greeter_client::GreeterClient;
use topics::greeter_server::{Greeter, GreeterServer};
use topics::{HelloReply, HelloRequest, Tick, WatchRequest};

const ROOT: UserId = UserId::Uid(0);
const USER: UserId = UserId::Uid(1000);
const STRANGER: UserId = UserId::Uid(2000);

/// Who may connect. The server asks before it reads a byte, and disconnects everyone else.
fn access() -> AccessPolicy {
    AccessPolicy::users([ROOT, USER])
}

/// Everyone who may connect may say hello; the other methods are for root.
fn authorize() -> Authorize {
    Authorize::new(AccessPolicy::users([ROOT]))
        .method("/topics.Greeter/SayHello", AccessPolicy::dangerous_allow_anyone())
}

fn server() -> Server {
    Server::builder()
        .layer(authorize())
        .add_service(GreeterServer::new(MyServices))
        .add_service(ClockServer::new(MyServices))
}

/// A channel to a server that takes the client for `user`.
fn connect(user: UserId) -> Channel {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let connection = PeerStream::new(theirs, Peer::new("memory").with_user(user));
    tokio::spawn(server().listen(ListenOptions::from_connection(connection).access(access())).serve());
    Channel::from_connection(PeerStream::new(ours, Peer::this_process("memory")))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ada = || HelloRequest { name: "Ada".to_owned() };
    for (name, user) in [("root", ROOT), ("user 1000", USER)] {
        let channel = connect(user);
        let reply = GreeterClient::new(channel.clone()).say_hello(ada()).await?;
        println!("{name} says hello: {}", reply.into_inner().message);
        match ClockClient::new(channel).watch(WatchRequest { ticks: 1 }).await {
            Ok(ticks) => {
                let tick = ticks.into_inner().message().await?.ok_or("the stream has ended")?;
                println!("{name} watches the clock: tick {}", tick.number);
            }
            Err(status) => println!("{name} watches the clock: {:?}", status.code()),
        }
    }
    if GreeterClient::new(connect(STRANGER)).say_hello(ada()).await.is_err() {
        println!("user 2000 says hello: not let in");
    }
    Ok(())
}

struct MyServices;

#[async_trait]
impl Greeter for MyServices {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(HelloReply { message: format!("Hello {}", request.get_ref().name) }))
    }
}

#[async_trait]
impl Clock for MyServices {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Tick, Status>> + Send>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let ticks = tokio_stream::iter(1..=request.into_inner().ticks).map(|number| Ok(Tick { number }));
        Ok(Response::new(Box::pin(ticks)))
    }
}
