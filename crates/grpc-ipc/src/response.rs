//! Interprets responses as gRPC.

use grpc_ipc_http2::RecvBody;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as _;
use tonic::{Code, Status};

use crate::call_body::{CallBody, IfMissing};
use crate::content_type::is_grpc;
use crate::fields::{STATUS, mend};

/// The response to a call.
///
/// # Errors
/// The gRPC status for a response that is not gRPC, such as the page of a proxy. The body of such a response is not
/// read.
pub(crate) fn response_of_grpc(response: Response<RecvBody>) -> Result<Response<CallBody>, Status> {
    let (mut head, body) = response.into_parts();
    // An existing status counts, regardless of the HTTP status
    // (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
    let has_status = mend(&mut head.headers);
    let is_grpc = is_grpc(&head.headers);
    let body = match (has_status, is_grpc, body.is_end_stream()) {
        (false, false, _) => return Err(not_grpc(head.status, &head.headers)),
        (false, true, true) => return Err(without_status(head.status)),
        (false, true, false) => CallBody::response(body, IfMissing::Failed(head.status)),
        // The trailers may have another status.
        (true, true, false) if head.headers.get(STATUS).is_some_and(|status| status == "0") => {
            head.headers.remove(STATUS);
            CallBody::response(body, IfMissing::Ok)
        }
        (true, ..) => {
            // For an unknown encoding, tonic would fail without regard to the status.
            head.headers.remove("grpc-encoding");
            CallBody::default()
        }
    };
    Ok(Response::from_parts(head, body))
}

/// The status for a response without one, derived from its HTTP status.
pub(crate) fn without_status(status: StatusCode) -> Status {
    Status::new(
        code_of(status),
        format!("the server answered with HTTP status {status}, and without a grpc-status"),
    )
}

fn not_grpc(status: StatusCode, headers: &HeaderMap) -> Status {
    let content_type = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let what = match &content_type {
        Some(content_type) => format!("content-type {content_type:?}"),
        None => "no content-type".to_owned(),
    };
    Status::new(code_of(status), format!("the server did not answer with gRPC: HTTP status {status}, {what}"))
}

/// The table of [gRPC's mapping](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
fn code_of(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Code::Internal,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::Unknown,
    }
}
