use grpc_ipc_proto::testing::Empty;
use tonic::{Request, metadata::MetadataValue};

use super::{Failure, Scene, Transport, check_works};
use crate::cases::failure::check_eq;

const INITIAL: &str = "x-grpc-test-echo-initial";
const TRAILING: &str = "x-grpc-test-echo-trailing-bin";

pub(in crate::cases) async fn binary_metadata<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    let bytes: Vec<u8> = (0..=255).rev().collect();
    let mut sets: Vec<Vec<&[u8]>> = (0..=5).map(|length| vec![&bytes[..length]]).collect();
    sets.push(vec![&bytes]);
    sets.push(vec![b"first", b"the second"]);
    for values in sets {
        let mut request = Request::new(Empty {});
        for value in &values {
            request.metadata_mut().append_bin(TRAILING, MetadataValue::from_bytes(value));
        }
        let response = scene.client().empty_call(request).await?;
        let echoed = response.metadata().get_all_bin(TRAILING).iter().map(MetadataValue::to_bytes);
        let echoed: Result<Vec<_>, _> = echoed.collect();
        let echoed = echoed.map_err(|error| Failure::Observed {
            what: TRAILING.to_owned(),
            seen: error.to_string(),
            expected: format!("{values:?}"),
        })?;
        check_eq(TRAILING, echoed.iter().map(|value| &value[..]).collect(), values)?;
    }
    Ok(())
}

pub(in crate::cases) async fn large_metadata<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    let request = |size| {
        let mut request = Request::new(Empty {});
        let value = "m".repeat(size).try_into().expect("it is ASCII");
        request.metadata_mut().insert(INITIAL, value);
        request
    };
    let response = scene.client().empty_call(request(6 << 10)).await?;
    let echoed = response.metadata().get(INITIAL).map(|value| value.as_bytes().len());
    check_eq("size of the metadata", echoed, Some(6 << 10))?;

    if scene.client().empty_call(request(1 << 20)).await.is_ok() {
        return Err(Failure::Succeeded { what: "the call with 1 MiB of metadata" });
    }
    check_works(scene.client()).await
}
