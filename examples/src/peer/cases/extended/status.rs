use futures_util::stream;
use grpc_ipc_proto::testing::{EchoStatus, Empty, SimpleRequest, StreamingOutputCallRequest};
use tonic::{Code, Request, metadata::MetadataValue};

use super::{Failure, Scene, Transport};
use crate::cases::{
    failure::{check_eq, check_status},
    messages::first,
};

pub(in crate::cases) async fn trailers_only<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    let status = EchoStatus { code: Code::DataLoss as i32, message: "no message before".to_owned() };
    let request = StreamingOutputCallRequest { response_status: Some(status), ..Default::default() };
    let call = scene.client().full_duplex_call(stream::iter([request])).await;
    let message = check_status("the call", first(call).await, Code::DataLoss)?;
    check_eq("message", message.as_str(), "no message before")
}

pub(in crate::cases) async fn every_status<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    const MESSAGE: &str = "ü € 😀 % \t \r\n";
    for code in 1..=16 {
        let status = EchoStatus { code, message: MESSAGE.to_owned() };
        let request = SimpleRequest { response_status: Some(status), ..Default::default() };
        let outcome = scene.client().unary_call(request).await;
        let message = check_status("the call", outcome, Code::from_i32(code))?;
        check_eq(&format!("message of status {code}"), message.as_str(), MESSAGE)?;
    }
    Ok(())
}

pub(in crate::cases) async fn status_details<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    // A `google.rpc.Status` with the code, the message, and one, two or three empty details, so that each padding of
    // Base64 is needed. grpc-go accepts no other details.
    for count in 1..=3 {
        let details = [&b"\x08\x03\x12\x07details"[..], &b"\x1a\x00".repeat(count)].concat();
        let mut request = Request::new(Empty {});
        request.metadata_mut().insert_bin("x-status-details-bin", MetadataValue::from_bytes(&details));
        match scene.client().empty_call(request).await {
            Err(status) if status.code() == Code::InvalidArgument => {
                check_eq("message", status.message(), "details")?;
                check_eq("details", status.details(), &details[..])?;
            }
            outcome => return check_status("the call", outcome, Code::InvalidArgument).map(drop),
        }
    }
    Ok(())
}
