//! The client side of gRPC's `interop-test-descriptions.md`: a function for each case, over any channel.

mod cancel;
mod channel;
mod compression;
mod failure;
mod messages;
mod metadata;
mod status;
mod streaming;
mod unary;

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use tonic::{body::Body, codegen::StdError};
use tower::Service;

use self::{channel::Channel, failure::Failure};

/// The time limit of a case.
const LIMIT: Duration = Duration::from_secs(20);

/// A case of the interoperability tests.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    name: &'static str,
    run: fn(Channel) -> LocalBoxFuture<'static, Result<(), Failure>>,
}

/// A case has the name of its function.
macro_rules! case {
    ($module:ident::$name:ident) => {
        Case { name: stringify!($name), run: |channel| Box::pin($module::$name(channel)) }
    };
}

const ALL: [Case; 18] = [
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
];

/// The cases called `names`, or all cases if there are no names.
///
/// # Errors
///
/// If one of the names is unknown.
pub(crate) fn select(names: &[String]) -> Result<Vec<Case>, UnknownCase> {
    if names.is_empty() {
        return Ok(ALL.to_vec());
    }
    let find = |name: &String| ALL.into_iter().find(|case| case.name == name);
    names.iter().map(|name| find(name).ok_or_else(|| UnknownCase(name.clone()))).collect()
}

/// Runs `cases` over `transport` one after another, and prints a line for each. Returns whether all passed.
pub(crate) async fn run<T, B>(transport: T, cases: &[Case]) -> bool
where
    T: Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + 'static,
    T: Service<http::Request<Body>, Error: Into<StdError>, Future: Send + 'static>,
    B: http_body::Body<Data = Bytes, Error: Into<StdError>> + Send + 'static,
{
    let channel = channel::observed(transport);
    let mut passed = true;
    for case in cases {
        let outcome = tokio::time::timeout(LIMIT, (case.run)(channel.clone())).await;
        match outcome.unwrap_or(Err(Failure::Unfinished(LIMIT))) {
            Ok(()) => println!("{}: passed", case.name),
            Err(failure) => {
                passed = false;
                println!("{}: failed: {failure}", case.name);
            }
        }
    }
    passed
}

/// The name of an unknown case.
#[derive(Debug)]
pub(crate) struct UnknownCase(String);

impl fmt::Display for UnknownCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no case {:?}; the cases are: {}", self.0, ALL.map(|case| case.name).join(", "))
    }
}

impl Error for UnknownCase {}

#[cfg(test)]
mod tests {
    use tonic::service::Routes;

    use super::*;
    use crate::services;

    #[tokio::test]
    async fn the_services_pass_the_cases_without_a_transport() {
        // Cancelling a call and enforcing a deadline are up to the transport.
        let needs_one = |case: &Case| case.name.starts_with("cancel_") || case.name.starts_with("timeout_");
        let cases: Vec<_> = ALL.into_iter().filter(|case| !needs_one(case)).collect();
        assert_eq!(cases.len(), 15);
        assert!(run(services::routes(services::Options::default()), &cases).await);
    }

    #[tokio::test]
    async fn without_the_services_only_the_unimplemented_cases_pass() {
        for case in ALL {
            let expected = case.name.starts_with("unimplemented_");
            assert_eq!(run(Routes::default(), &[case]).await, expected, "{}", case.name);
        }
    }

    #[test]
    fn no_names_select_all_cases_and_names_their_own() {
        let names = |selected: Vec<Case>| selected.iter().map(|case| case.name).collect::<Vec<_>>();
        assert_eq!(names(select(&[]).unwrap()), ALL.map(|case| case.name));
        let some = ["ping_pong", "empty_unary"];
        assert_eq!(names(select(&some.map(String::from)).unwrap()), some);
    }

    #[test]
    fn an_unknown_name_is_told_with_the_known_ones() {
        let error = select(&["ping-pong".to_owned()]).map(drop).unwrap_err().to_string();
        assert!(error.contains(r#""ping-pong""#) && error.contains("ping_pong"), "{error}");
    }
}
