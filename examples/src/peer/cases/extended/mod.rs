pub(super) mod cancel;
pub(super) mod deadlines;
pub(super) mod load;
pub(super) mod messages;
pub(super) mod metadata;
pub(super) mod services;
pub(super) mod status;
pub(super) mod streams;

use grpc_ipc_proto::testing::{Empty, test_service_client::TestServiceClient};

use super::{Scene, channel::Transport, failure::Failure};

/// The next call works.
async fn check_works<T: Transport>(mut client: TestServiceClient<T>) -> Result<(), Failure> {
    client.empty_call(Empty {}).await.map_err(|status| Failure::Observed {
        what: "the next call".to_owned(),
        seen: format!("{status:?}"),
        expected: "OK".to_owned(),
    })?;
    Ok(())
}
