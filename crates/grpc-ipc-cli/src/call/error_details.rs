//! The details of a status: `google.rpc.Status` in `grpc-status-details-bin`.

use std::fmt::Write as _;

use grpc_ipc::tonic::Status;
use prost_reflect::DynamicMessage;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::Any;
use serde_json::{Value, json};

use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::schema::{NO_SCHEMA, Schema};
use crate::status;

#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// The failure of a call, in words or as JSON.
pub(super) async fn failure(
    status: &Status,
    schema: &mut Schema,
    deadline: Deadline,
    as_json: bool,
) -> Failure {
    let mut details = Vec::new();
    for detail in RpcStatus::decode(status.details()).unwrap_or_default().details {
        details.push(shown(&detail, schema, deadline).await);
    }
    let failure = status::failure(status);
    if as_json && status::is_of_server(status) {
        let text = json!({
            "code": status.code() as i32,
            "status": status::name(status.code()),
            "message": status.message(),
            "details": details,
        });
        return failure.with_text(format!("{text:#}"));
    }
    let mut text = String::new();
    for detail in &details {
        _ = write!(text, "\n  {detail}");
    }
    failure.and(&text)
}

/// A detail as JSON: with its fields if its type is known, and otherwise with its bytes.
async fn shown(detail: &Any, schema: &mut Schema, deadline: Deadline) -> Value {
    let decoded = async {
        let name = detail.type_url.rsplit('/').next()?;
        let message = deadline.end(NO_SCHEMA, async { Ok(schema.message(name).await) }).await.ok()??;
        let message = DynamicMessage::decode(message, detail.value.as_slice()).ok()?;
        let mut value = serde_json::to_value(&message).ok()?;
        if let Value::Object(fields) = &mut value {
            fields.insert("@type".to_owned(), json!(detail.type_url));
            return Some(value);
        }
        Some(json!({ "@type": detail.type_url, "value": value }))
    };
    match decoded.await {
        Some(value) => value,
        None => json!({ "@type": detail.type_url, "bytes": detail.value }),
    }
}
