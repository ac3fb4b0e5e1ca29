use grpc_ipc_proto::testing::{Empty, SimpleRequest, test_service_client::TestServiceClient};

use super::{
    channel::Channel,
    failure::Failure,
    messages::{check_zeros, zeros},
};

pub(super) async fn empty_unary(channel: Channel) -> Result<(), Failure> {
    TestServiceClient::new(channel).empty_call(Empty {}).await?;
    Ok(())
}

pub(super) async fn large_unary(channel: Channel) -> Result<(), Failure> {
    let request = SimpleRequest { response_size: 314_159, payload: zeros(271_828), ..Default::default() };
    let response = TestServiceClient::new(channel).unary_call(request).await?.into_inner();
    check_zeros("the response", response.payload, 314_159)
}
