//! TLS with a certificate on each side. The address stays the same.
//!
//! ```text
//! cargo run -p topics --bin tls
//! ```
//!
//! prints
//!
//! ```text
//! server: the client has shown 1 certificate
//! client: Hello Ada
//! client without a certificate: not let in
//! ```
//!
//! Between processes on one machine, TLS is seldom needed: the operating system says who the peer is, and nobody else can
//! read what they send. This example needs the feature `tls` of `grpc-ipc`.

use grpc_ipc::tls::{ClientTls, Identity, ServerTls, Trust};
use grpc_ipc::tonic::{Request, Response, Status, async_trait};
use grpc_ipc::{Channel, ConnectOptions, ListenOptions, Peer, Server};

mod topics {
    grpc_ipc::include_proto!("topics");
}

use topics::greeter_client::GreeterClient;
use topics::greeter_server::{Greeter, GreeterServer};
use topics::{HelloReply, HelloRequest};

const ADDRESS: &str = "local:topics-tls";

struct MyGreeter;

#[async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let certificates = request.extensions().get::<Peer>().and_then(Peer::certificates);
        println!("server: the client has shown {} certificate", certificates.unwrap_or_default().len());
        Ok(Response::new(HelloReply { message: format!("Hello {}", request.get_ref().name) }))
    }
}

/// A new certificate with its key. A program reads both from files that its installer has made.
fn make_identity() -> Result<Identity, Box<dyn std::error::Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    Ok(Identity::from_pem(made.cert.pem(), made.signing_key.serialize_pem())?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (servers, clients) = (make_identity()?, make_identity()?);
    // Each side knows the fingerprint of the other's certificate, so no certificate authority is needed.
    // `Trust::authorities` trusts those that an authority has signed.
    let trust_server = Trust::fingerprints([servers.fingerprint()]);
    let trust_client = Trust::fingerprints([clients.fingerprint()]);

    let tls = ServerTls::new(servers).require_client(trust_client);
    let options = ListenOptions::new(ADDRESS).tls(tls);
    let server = Server::builder().add_service(GreeterServer::new(MyGreeter)).listen(options).bind().await?;
    tokio::spawn(server.serve());

    let tls = ClientTls::new(trust_server.clone()).identity(clients);
    let channel = Channel::connect(ConnectOptions::new(ADDRESS).tls(tls)).await?;
    let ada = HelloRequest { name: "Ada".to_owned() };
    let reply = GreeterClient::new(channel).say_hello(ada.clone()).await?;
    println!("client: {}", reply.into_inner().message);

    let options = ConnectOptions::new(ADDRESS).tls(ClientTls::new(trust_server));
    let refused = match GreeterClient::connect(options).await {
        Ok(mut greeter) => greeter.say_hello(ada).await.is_err(),
        Err(_) => true,
    };
    if refused {
        println!("client without a certificate: not let in");
    }
    Ok(())
}
