use std::{future::pending, time::Duration};

use futures_util::{StreamExt, stream};
use grpc_ipc_proto::testing::{StreamingOutputCallRequest, test_service_client::TestServiceClient};
use tokio::sync::oneshot;
use tonic::{Code, Request};

use super::{
    channel::Channel,
    failure::{Failure, check_status},
    messages::{ask, check_next, first, zeros},
};

/// Cancels when the channel asks for the first message: once it has begun the call, and before it can have sent a
/// message.
pub(super) async fn cancel_after_begin(channel: Channel) -> Result<(), Failure> {
    let (begin, begun) = oneshot::channel();
    let mut request = Request::new(stream::once(async {
        begin.send(()).ok();
        pending().await
    }));
    let cancellation = request.cancellation_handle();
    let mut client = TestServiceClient::new(channel);
    let cancel = async {
        // An error means that the call ended before it began. Its status has the reason.
        begun.await.ok();
        cancellation.cancel();
    };
    let (outcome, ()) = tokio::join!(client.streaming_input_call(request), cancel);
    check_status("the cancelled call", outcome, Code::Cancelled).map(drop)
}

pub(super) async fn cancel_after_first_response(channel: Channel) -> Result<(), Failure> {
    let mut request = Request::new(stream::iter([ask(31_415, 27_182)]).chain(stream::pending()));
    let cancellation = request.cancellation_handle();
    let mut responses = TestServiceClient::new(channel).full_duplex_call(request).await?.into_inner();
    check_next(&mut responses, 31_415).await?;
    cancellation.cancel();
    check_status("the cancelled call", responses.message().await, Code::Cancelled).map(drop)
}

/// The server has nothing to answer, and the request stream stays open, so only the deadline ends the call. tonic
/// passes the deadline on as `grpc-timeout`; the channel enforces it.
pub(super) async fn timeout_on_sleeping_server(channel: Channel) -> Result<(), Failure> {
    let message = StreamingOutputCallRequest { payload: zeros(27_182), ..Default::default() };
    let mut request = Request::new(stream::iter([message]).chain(stream::pending()));
    request.set_timeout(Duration::from_millis(1));
    let call = TestServiceClient::new(channel).full_duplex_call(request).await;
    check_status("the call", first(call).await, Code::DeadlineExceeded).map(drop)
}
