use futures_util::{StreamExt, stream};
use grpc_ipc_proto::testing::{EchoStatus, StreamingOutputCallRequest};
use tonic::Code;

use super::{Failure, Scene, Transport, check_works};
use crate::cases::{
    failure::{check_eq, check_status},
    messages::{ask, check_end, first},
};

pub(in crate::cases) async fn empty_streams<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    let response = scene.client().streaming_input_call(stream::empty()).await?.into_inner();
    check_eq("total size", response.aggregated_payload_size, 0)?;
    check_end(&mut scene.client().full_duplex_call(stream::empty()).await?.into_inner()).await?;
    // Not every server has this method.
    match scene.client().half_duplex_call(stream::empty()).await {
        Err(status) if status.code() == Code::Unimplemented => Ok(()),
        call => check_end(&mut call?.into_inner()).await,
    }
}

pub(in crate::cases) async fn early_status<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    let status = EchoStatus { code: Code::Aborted as i32, message: "early".to_owned() };
    let asks = StreamingOutputCallRequest { response_status: Some(status), ..Default::default() };
    let upload = stream::iter((0..8).map(|_| ask(1, 1 << 20)));
    let call = scene.client().full_duplex_call(stream::iter([asks]).chain(upload)).await;
    let message = check_status("the call", first(call).await, Code::Aborted)?;
    check_eq("message", message.as_str(), "early")?;
    check_works(scene.client()).await
}
