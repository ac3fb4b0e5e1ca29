use grpc_ipc_proto::testing::SimpleRequest;
use tonic::Code;

use super::{Failure, Scene, Transport, check_works};
use crate::cases::{
    failure::{check_eq, check_status},
    messages::zeros,
};

/// The default limit of gRPC.
const LIMIT: usize = 4 << 20;
/// The largest message, with room for its other fields.
const LARGEST: usize = (64 << 20) + 1024;

pub(in crate::cases) async fn message_sizes<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    if scene.max_message_size.is_none_or(|size| size < LARGEST) {
        return Err(Failure::NotApplicable("both ends need --max-message-size 80000000"));
    }
    for size in [0, LIMIT - 1024, LIMIT + 1, 64 << 20] {
        let request =
            SimpleRequest { response_size: size as i32, payload: zeros(size), ..Default::default() };
        let response = scene.client().unary_call(request).await?.into_inner();
        let body = response.payload.unwrap_or_default().body;
        check_eq("size of the response", body.len(), size)?;
        check_eq("the response is zeros", body == vec![0; size], true)?;
    }
    Ok(())
}

pub(in crate::cases) async fn message_too_large<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    let request = SimpleRequest { payload: zeros(LIMIT + 1), ..Default::default() };
    let outcome = scene.client().unary_call(request).await;
    check_works(scene.client()).await?;
    match outcome {
        Ok(_) => Err(Failure::NotApplicable("the server accepts a message of more than 4 MiB")),
        outcome => check_status("the call", outcome, Code::ResourceExhausted).map(drop),
    }
}
