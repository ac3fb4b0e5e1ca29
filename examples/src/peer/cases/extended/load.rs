use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use grpc_ipc_proto::testing::{Empty, SimpleRequest};

use super::{Failure, Scene, Transport};
use crate::cases::messages::{check_zeros, zeros};

pub(in crate::cases) async fn many_calls<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    let calls = (0..1000_usize).map(async |size| {
        let request =
            SimpleRequest { response_size: size as i32, payload: zeros(size), ..Default::default() };
        let response = scene.client().unary_call(request).await?.into_inner();
        check_zeros("the response", response.payload, size)
    });
    try_join_all(calls).await.map(drop)
}

/// For a server that ends its connections at an age of a second.
pub(in crate::cases) async fn connection_age<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        for calls in [1, 8] {
            try_join_all((0..calls).map(async |_| scene.client().empty_call(Empty {}).await)).await?;
        }
    }
    Ok(())
}
