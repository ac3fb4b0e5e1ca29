use hello_grpc::HelloRequest;
use hello_grpc::greeter_client::GreeterClient;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let name = std::env::args().nth(1).unwrap_or("world".to_owned());
    let mut greeter = GreeterClient::connect("local:hello-grpc").await?;
    let reply = greeter.say_hello(HelloRequest { name }).await?;
    println!("{}", reply.into_inner().message);
    Ok(())
}
