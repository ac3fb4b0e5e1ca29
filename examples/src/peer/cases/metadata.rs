use futures_util::stream;
use grpc_ipc_proto::testing::{SimpleRequest, test_service_client::TestServiceClient};
use tonic::{
    Extensions, Request,
    metadata::{MetadataMap, MetadataValue},
};

use super::{
    channel::{Channel, InitialMetadata},
    failure::{Failure, check_eq},
    messages::{ask, check_end, check_next, check_zeros, zeros},
};

const INITIAL: &str = "x-grpc-test-echo-initial";
const INITIAL_VALUE: &str = "test_initial_metadata_value";
const TRAILING: &str = "x-grpc-test-echo-trailing-bin";
const TRAILING_VALUE: [u8; 3] = [0xab; 3];

pub(super) async fn custom_metadata(channel: Channel) -> Result<(), Failure> {
    let mut client = TestServiceClient::new(channel);

    let request = SimpleRequest { response_size: 314_159, payload: zeros(271_828), ..Default::default() };
    let (trailing, response, extensions) = client.unary_call(with_metadata(request)).await?.into_parts();
    check_zeros("the unary response", response.payload, 314_159)?;
    check_echoes("unary", &extensions, &trailing)?;

    let requests = stream::iter([ask(314_159, 271_828)]);
    let (_, mut responses, extensions) = client.full_duplex_call(with_metadata(requests)).await?.into_parts();
    check_next(&mut responses, 314_159).await?;
    check_end(&mut responses).await?;
    check_echoes("duplex", &extensions, &responses.trailers().await?.unwrap_or_default())
}

fn with_metadata<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(INITIAL, MetadataValue::from_static(INITIAL_VALUE));
    request.metadata_mut().insert_bin(TRAILING, MetadataValue::from_bytes(&TRAILING_VALUE));
    request
}

/// One value is in the initial metadata, the other one in later metadata.
fn check_echoes(call: &str, extensions: &Extensions, trailing: &MetadataMap) -> Result<(), Failure> {
    let initial = extensions.get::<InitialMetadata>().cloned().unwrap_or_default().0;
    let echo = initial.get(INITIAL).and_then(|value| value.to_str().ok());
    check_eq(&format!("initial metadata of the {call} call"), echo, Some(INITIAL_VALUE))?;
    check_eq(&format!("{TRAILING} in initial metadata"), initial.contains_key(TRAILING), false)?;
    let echo = trailing.get_bin(TRAILING).and_then(|value| value.to_bytes().ok());
    check_eq(&format!("trailing metadata of the {call} call"), echo.as_deref(), Some(&TRAILING_VALUE[..]))
}
