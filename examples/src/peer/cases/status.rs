use futures_util::stream;
use grpc_ipc_proto::testing::{
    EchoStatus, Empty, SimpleRequest, StreamingOutputCallRequest, test_service_client::TestServiceClient,
    unimplemented_service_client::UnimplementedServiceClient,
};
use tonic::Code;

use super::{
    channel::Channel,
    failure::{Failure, check_eq, check_status},
    messages::first,
};

pub(super) async fn status_code_and_message(channel: Channel) -> Result<(), Failure> {
    const MESSAGE: &str = "test status message";
    let message = unary_status(channel.clone(), MESSAGE).await?;
    check_eq("message of the unary call", message.as_str(), MESSAGE)?;

    let request = StreamingOutputCallRequest { response_status: unknown(MESSAGE), ..Default::default() };
    let call = TestServiceClient::new(channel).full_duplex_call(stream::iter([request])).await;
    let message = check_status("the duplex call", first(call).await, Code::Unknown)?;
    check_eq("message of the duplex call", message.as_str(), MESSAGE)
}

pub(super) async fn special_status_message(channel: Channel) -> Result<(), Failure> {
    const MESSAGE: &str = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
    check_eq("message", unary_status(channel, MESSAGE).await?.as_str(), MESSAGE)
}

pub(super) async fn unimplemented_method(channel: Channel) -> Result<(), Failure> {
    let outcome = TestServiceClient::new(channel).unimplemented_call(Empty {}).await;
    check_status("the call", outcome, Code::Unimplemented).map(drop)
}

pub(super) async fn unimplemented_service(channel: Channel) -> Result<(), Failure> {
    let outcome = UnimplementedServiceClient::new(channel).unimplemented_call(Empty {}).await;
    check_status("the call", outcome, Code::Unimplemented).map(drop)
}

/// Makes a unary call that ends with status UNKNOWN and `message`. Returns the received message.
async fn unary_status(channel: Channel, message: &str) -> Result<String, Failure> {
    let request = SimpleRequest { response_status: unknown(message), ..Default::default() };
    check_status("the unary call", TestServiceClient::new(channel).unary_call(request).await, Code::Unknown)
}

fn unknown(message: &str) -> Option<EchoStatus> {
    Some(EchoStatus { code: Code::Unknown as i32, message: message.to_owned() })
}
