//! The client side of gRPC's `interop-test-descriptions.md`, and of the cases beyond it: a function for each case, over
//! any channel.

mod cancel;
mod channel;
mod compression;
mod extended;
mod failure;
mod messages;
mod metadata;
mod selected;
mod status;
mod streaming;
mod unary;

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use grpc_ipc_proto::testing::test_service_client::TestServiceClient;

use self::{channel::Transport, failure::Failure};

pub(crate) use channel::erased;
pub(crate) use selected::Selected;

/// The time limit of a case.
const LIMIT: Duration = Duration::from_secs(20);

/// What a case uses.
#[derive(Clone)]
struct Scene<T> {
    channel: T,
    max_message_size: Option<usize>,
}

impl<T: Transport> Scene<T> {
    /// A client with the limit of the scene.
    fn client(&self) -> TestServiceClient<T> {
        let client = TestServiceClient::new(self.channel.clone());
        match self.max_message_size {
            Some(size) => client.max_decoding_message_size(size),
            None => client,
        }
    }
}

/// A case of the interoperability tests.
struct Case<T> {
    name: &'static str,
    run: fn(Scene<T>) -> LocalBoxFuture<'static, Result<(), Failure>>,
}

impl<T: Transport> Case<T> {
    async fn run(&self, scene: Scene<T>) -> Result<(), Failure> {
        let outcome = tokio::time::timeout(LIMIT, (self.run)(scene)).await;
        outcome.unwrap_or(Err(Failure::Unfinished(LIMIT)))
    }
}

/// A case has the name of its function.
macro_rules! case {
    ($module:ident::$name:ident) => {
        Case {
            name: stringify!($name),
            run: |scene| Box::pin($module::$name(channel::observed(scene.channel))),
        }
    };
    (extended::$module:ident::$name:ident) => {
        Case { name: stringify!($name), run: |scene| Box::pin(extended::$module::$name(scene)) }
    };
}

/// gRPC's own cases.
fn official<T: Transport>() -> [Case<T>; 18] {
    [
        case!(unary::empty_unary),
        case!(unary::large_unary),
        case!(streaming::client_streaming),
        case!(streaming::server_streaming),
        case!(streaming::ping_pong),
        case!(streaming::empty_stream),
        case!(metadata::custom_metadata),
        case!(status::status_code_and_message),
        case!(status::special_status_message),
        case!(status::unimplemented_method),
        case!(status::unimplemented_service),
        case!(cancel::cancel_after_begin),
        case!(cancel::cancel_after_first_response),
        case!(cancel::timeout_on_sleeping_server),
        case!(compression::client_compressed_unary),
        case!(compression::server_compressed_unary),
        case!(compression::client_compressed_streaming),
        case!(compression::server_compressed_streaming),
    ]
}

/// The cases beyond gRPC's. All peers but the one in C# have them, under the same names.
fn extended<T: Transport>() -> [Case<T>; 16] {
    [
        case!(extended::messages::message_sizes),
        case!(extended::messages::message_too_large),
        case!(extended::metadata::binary_metadata),
        case!(extended::metadata::large_metadata),
        case!(extended::load::many_calls),
        case!(extended::status::trailers_only),
        case!(extended::status::every_status),
        case!(extended::status::status_details),
        case!(extended::deadlines::deadlines),
        case!(extended::deadlines::deadline_passed),
        case!(extended::cancel::cancel_phases),
        case!(extended::streams::empty_streams),
        case!(extended::streams::early_status),
        case!(extended::load::connection_age),
        case!(extended::services::health),
        case!(extended::services::reflection),
    ]
}
