use bytes::Bytes;
use grpc_ipc_proto::testing::{
    Payload, PayloadType, ResponseParameters, StreamingOutputCallRequest, StreamingOutputCallResponse,
};
use tonic::{Response, Status, Streaming};

use super::failure::{Failure, check_eq};

type Responses = Streaming<StreamingOutputCallResponse>;

/// A request for one response, with the sizes of both payloads.
pub(super) fn ask(response: usize, request: usize) -> StreamingOutputCallRequest {
    StreamingOutputCallRequest {
        response_parameters: vec![ResponseParameters { size: response as i32, ..Default::default() }],
        payload: zeros(request),
        ..Default::default()
    }
}

pub(super) fn zeros(size: usize) -> Option<Payload> {
    Some(Payload { r#type: PayloadType::Compressable as i32, body: Bytes::from(vec![0; size]) })
}

pub(super) fn check_zeros(what: &str, payload: Option<Payload>, size: usize) -> Result<(), Failure> {
    check_eq(&format!("size of {what}"), payload.as_ref().map(|payload| payload.body.len()), Some(size))?;
    let others = payload.iter().flat_map(|payload| &payload.body).filter(|&&byte| byte != 0).count();
    check_eq(&format!("bytes other than zero in {what}"), others, 0)
}

pub(super) async fn check_next(responses: &mut Responses, size: usize) -> Result<(), Failure> {
    let response = responses.message().await?.unwrap_or_default();
    check_zeros("the next response", response.payload, size)
}

pub(super) async fn check_end(responses: &mut Responses) -> Result<(), Failure> {
    check_eq("a response after the last", responses.message().await?.is_some(), false)
}

/// The first response of a call. A server may end a call instead of sending headers, or after them. The difference does
/// not matter here.
pub(super) async fn first(
    call: Result<Response<Responses>, Status>,
) -> Result<Option<StreamingOutputCallResponse>, Status> {
    call?.into_inner().message().await
}
