use futures_util::stream;
use grpc_ipc_proto::testing::{
    ResponseParameters, StreamingInputCallRequest, StreamingOutputCallRequest,
    test_service_client::TestServiceClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    channel::Channel,
    failure::{Failure, check_eq},
    messages::{ask, check_end, check_next, zeros},
};

/// Sizes of the requests and of the responses they ask for.
const REQUESTS: [usize; 4] = [27_182, 8, 1_828, 45_904];
const RESPONSES: [usize; 4] = [31_415, 9, 2_653, 58_979];

pub(super) async fn client_streaming(channel: Channel) -> Result<(), Failure> {
    let request = |size| StreamingInputCallRequest { payload: zeros(size), expect_compressed: None };
    let requests = stream::iter(REQUESTS.map(request));
    let response = TestServiceClient::new(channel).streaming_input_call(requests).await?.into_inner();
    check_eq("total size", response.aggregated_payload_size, 74_922)
}

pub(super) async fn server_streaming(channel: Channel) -> Result<(), Failure> {
    let parameters = |size| ResponseParameters { size: size as i32, ..Default::default() };
    let request = StreamingOutputCallRequest {
        response_parameters: RESPONSES.map(parameters).into(),
        ..Default::default()
    };
    let mut responses = TestServiceClient::new(channel).streaming_output_call(request).await?.into_inner();
    for size in RESPONSES {
        check_next(&mut responses, size).await?;
    }
    check_end(&mut responses).await
}

pub(super) async fn ping_pong(channel: Channel) -> Result<(), Failure> {
    let mut pings = RESPONSES.into_iter().zip(REQUESTS).map(|(response, request)| ask(response, request));
    // The first request does not wait for the call, because a server may send no headers before its first message.
    let (requests, incoming) = mpsc::channel(1);
    requests.try_send(pings.next().expect("there are four")).expect("there is room for one");
    let mut responses =
        TestServiceClient::new(channel).full_duplex_call(ReceiverStream::new(incoming)).await?.into_inner();
    for size in RESPONSES {
        check_next(&mut responses, size).await?;
        if let Some(ping) = pings.next() {
            // If this fails, the call has ended, and the next response has the reason.
            requests.send(ping).await.ok();
        }
    }
    drop(requests);
    check_end(&mut responses).await
}

pub(super) async fn empty_stream(channel: Channel) -> Result<(), Failure> {
    let mut responses = TestServiceClient::new(channel).full_duplex_call(stream::empty()).await?.into_inner();
    check_end(&mut responses).await
}
