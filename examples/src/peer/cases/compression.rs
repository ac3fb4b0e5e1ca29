use futures_util::stream;
use grpc_ipc_proto::testing::{
    BoolValue, ResponseParameters, SimpleRequest, StreamingInputCallRequest, StreamingOutputCallRequest,
    test_service_client::TestServiceClient,
};
use tonic::{Code, Extensions, Request, codec::CompressionEncoding};

use super::{
    channel::Channel,
    failure::{Failure, check_eq, check_status},
    messages::{check_end, check_next, check_zeros, zeros},
};
use crate::compression::CompressedFlags;

pub(super) async fn client_compressed_unary(channel: Channel) -> Result<(), Failure> {
    let request = |compressed| SimpleRequest {
        expect_compressed: flag(compressed),
        response_size: 314_159,
        payload: zeros(271_828),
        ..Default::default()
    };
    let (mut plain, mut gzip) = clients(channel);

    check_status("the probe", plain.unary_call(request(true)).await, Code::InvalidArgument)?;
    for (client, compressed) in [(&mut gzip, true), (&mut plain, false)] {
        let response = client.unary_call(request(compressed)).await?.into_inner();
        check_zeros("the response", response.payload, 314_159)?;
    }
    Ok(())
}

pub(super) async fn server_compressed_unary(channel: Channel) -> Result<(), Failure> {
    let mut client = TestServiceClient::new(channel).accept_compressed(CompressionEncoding::Gzip);
    for compressed in [true, false] {
        let request = SimpleRequest {
            response_compressed: flag(compressed),
            response_size: 314_159,
            payload: zeros(271_828),
            ..Default::default()
        };
        let (_, response, extensions) = client.unary_call(request).await?.into_parts();
        check_zeros("the response", response.payload, 314_159)?;
        check_flags(&extensions, &[compressed])?;
    }
    Ok(())
}

pub(super) async fn client_compressed_streaming(channel: Channel) -> Result<(), Failure> {
    let message = |compressed, size| StreamingInputCallRequest {
        expect_compressed: flag(compressed),
        payload: zeros(size),
    };
    let (mut plain, mut gzip) = clients(channel);

    let probe = stream::iter([message(true, 27_182)]);
    check_status("the probe", plain.streaming_input_call(probe).await, Code::InvalidArgument)?;

    let messages = stream::iter([message(true, 27_182), message(false, 45_904)]);
    let mut request = Request::new(messages);
    // tonic would compress both.
    let flags = CompressedFlags::default();
    flags.push(true);
    flags.push(false);
    request.extensions_mut().insert(flags);
    let response = gzip.streaming_input_call(request).await?.into_inner();
    check_eq("total size", response.aggregated_payload_size, 73_086)
}

pub(super) async fn server_compressed_streaming(channel: Channel) -> Result<(), Failure> {
    let parameters =
        |compressed, size| ResponseParameters { size, interval_us: 0, compressed: flag(compressed) };
    let request = StreamingOutputCallRequest {
        response_parameters: vec![parameters(true, 31_415), parameters(false, 92_653)],
        ..Default::default()
    };
    let mut client = TestServiceClient::new(channel).accept_compressed(CompressionEncoding::Gzip);
    let (_, mut responses, extensions) = client.streaming_output_call(request).await?.into_parts();
    for size in [31_415, 92_653] {
        check_next(&mut responses, size).await?;
    }
    check_end(&mut responses).await?;
    check_flags(&extensions, &[true, false])
}

/// A client that does not compress its requests, and one that does. Both accept compressed responses, because grpc-go
/// answers a compressed request with one, whether or not the client says that it accepts them.
fn clients(channel: Channel) -> (TestServiceClient<Channel>, TestServiceClient<Channel>) {
    let plain = TestServiceClient::new(channel).accept_compressed(CompressionEncoding::Gzip);
    let gzip = plain.clone().send_compressed(CompressionEncoding::Gzip);
    (plain, gzip)
}

/// The response's messages were compressed as `expected`.
fn check_flags(extensions: &Extensions, expected: &[bool]) -> Result<(), Failure> {
    let flags = extensions.get::<CompressedFlags>().cloned().unwrap_or_default();
    let seen: Vec<_> = std::iter::from_fn(|| flags.pop()).collect();
    check_eq("messages compressed", seen.as_slice(), expected)
}

fn flag(value: bool) -> Option<BoolValue> {
    Some(BoolValue { value })
}
