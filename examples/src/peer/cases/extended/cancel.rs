use std::{future::pending, time::Duration};

use futures_util::{StreamExt, stream};
use grpc_ipc_proto::testing::{
    ResponseParameters, StreamingOutputCallRequest, test_service_client::TestServiceClient,
};
use tokio::sync::oneshot;
use tonic::{Code, Request, Status};

use super::{Failure, Scene, Transport, check_works};
use crate::cases::{
    failure::check_status,
    messages::{ask, check_next, first},
};

pub(in crate::cases) async fn cancel_phases<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    at_once(scene.client()).await?;
    after_messages(scene.client(), vec![]).await?;
    after_messages(scene.client(), vec![StreamingOutputCallRequest::default()]).await?;
    after_first_received(scene.client()).await?;
    after_half_close(scene.client()).await?;
    half_read(scene.client()).await?;
    check_works(scene.client()).await
}

async fn at_once<T: Transport>(mut client: TestServiceClient<T>) -> Result<(), Failure> {
    let mut request = Request::new(stream::pending());
    request.cancellation_handle().cancel();
    check_cancelled("the call cancelled at once", first(client.full_duplex_call(request).await).await)
}

/// Once the channel has taken these messages; with none, after the headers.
async fn after_messages<T: Transport>(
    mut client: TestServiceClient<T>,
    messages: Vec<StreamingOutputCallRequest>,
) -> Result<(), Failure> {
    let (taken, all_taken) = oneshot::channel();
    let end = stream::once(async {
        taken.send(()).ok();
        pending().await
    });
    let mut request = Request::new(stream::iter(messages).chain(end));
    let cancellation = request.cancellation_handle();
    let cancel = async {
        // An error means that the call ended before. Its status has the reason.
        all_taken.await.ok();
        cancellation.cancel();
    };
    let call = async { first(client.full_duplex_call(request).await).await };
    let (outcome, ()) = tokio::join!(call, cancel);
    check_cancelled("the call cancelled after its messages", outcome)
}

async fn after_first_received<T: Transport>(mut client: TestServiceClient<T>) -> Result<(), Failure> {
    let mut request = Request::new(stream::iter([ask(31_415, 27_182)]).chain(stream::pending()));
    let cancellation = request.cancellation_handle();
    let mut responses = client.full_duplex_call(request).await?.into_inner();
    check_next(&mut responses, 31_415).await?;
    cancellation.cancel();
    check_cancelled("the call cancelled after the first response", responses.message().await)
}

/// The request is complete, and the server waits before its second response.
async fn after_half_close<T: Transport>(client: TestServiceClient<T>) -> Result<(), Failure> {
    const WAIT: Duration = Duration::from_secs(5);
    let response = |interval_us| ResponseParameters { size: 1, interval_us, compressed: None };
    drop_after_first(client, vec![response(0), response(WAIT.as_micros() as i32)]).await
}

/// The server has more to send than the windows allow.
async fn half_read<T: Transport>(client: TestServiceClient<T>) -> Result<(), Failure> {
    drop_after_first(client, vec![ResponseParameters { size: 1 << 20, ..Default::default() }; 32]).await
}

/// A [`CancellationHandle`](tonic::CancellationHandle) has no effect once the request is complete. Such a call is
/// cancelled when it is dropped.
async fn drop_after_first<T: Transport>(
    mut client: TestServiceClient<T>,
    response_parameters: Vec<ResponseParameters>,
) -> Result<(), Failure> {
    let size = response_parameters[0].size as usize;
    let request = StreamingOutputCallRequest { response_parameters, ..Default::default() };
    let mut responses = client.streaming_output_call(request).await?.into_inner();
    check_next(&mut responses, size).await
}

fn check_cancelled<R>(what: &'static str, outcome: Result<R, Status>) -> Result<(), Failure> {
    check_status(what, outcome, Code::Cancelled).map(drop)
}
