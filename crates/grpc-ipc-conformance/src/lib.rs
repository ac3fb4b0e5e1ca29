//! Conformance tests for grpc-ipc transports, and utilities for tests of grpc-ipc.
//!
//! Implement [`Transport`] for a fixture that creates listeners and connectors, and instantiate the suite in a test
//! file:
//!
//! ```
//! use grpc_ipc_conformance::Transport;
//! use grpc_ipc_core::{AccessPolicy, BindError, memory};
//!
//! struct Memory(memory::Network);
//!
//! impl Transport for Memory {
//!     type Listener = memory::MemoryListener;
//!     type Connector = memory::MemoryConnector;
//!
//!     async fn listen(&self, access: AccessPolicy) -> Result<memory::MemoryListener, BindError> {
//!         self.0.listen("conformance", access)
//!     }
//!     fn connector(&self, access: AccessPolicy) -> memory::MemoryConnector {
//!         self.0.connector("conformance", access)
//!     }
//! }
//!
//! grpc_ipc_conformance::conformance_tests!(Memory(memory::Network::new()));
//! ```
//!
//! Each test in [`suite`] quotes the sentence of `grpc-ipc-core`'s documentation that it checks.
//!
//! A test panics if the transport breaks the guarantee.
#![forbid(unsafe_code)]

pub mod suite;

mod names;
mod skip;
mod watchdog;

pub use grpc_ipc_core;
pub use names::unique_name;
pub use skip::skip;
pub use watchdog::Watchdog;

use std::time::Duration;

use grpc_ipc_core::{AccessPolicy, BindError, Connector, Listener};

/// How long one test may take before the watchdog ends its process.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The fixture of one test: an address of a transport that nothing else uses.
pub trait Transport {
    /// The transport's listener.
    type Listener: Listener;
    /// The transport's connector.
    type Connector: Connector;

    /// Listens on the fixture's address. A backlog of a few connections keeps the suite fast.
    ///
    /// # Errors
    /// The transport's error.
    fn listen(&self, access: AccessPolicy) -> impl Future<Output = Result<Self::Listener, BindError>>;

    /// Creates a connector to the fixture's address.
    fn connector(&self, access: AccessPolicy) -> Self::Connector;

    /// The reason why `test` cannot run on this system, if any. Default: `None`, every test runs.
    fn cannot_run(&self, test: &str) -> Option<String> {
        _ = test;
        None
    }
}

/// Runs `test` on its own runtime, under a watchdog.
///
/// # Panics
/// If the test does, or if no runtime can be created.
pub fn run<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F) {
    let _watchdog = Watchdog::start(name, LIMIT);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async { test().await });
}

/// Instantiates [`suite`] for a transport: `conformance_tests!(EXPRESSION)`. The expression creates a [`Transport`],
/// and is evaluated once for each test, inside a runtime.
#[macro_export]
macro_rules! conformance_tests {
    ($transport:expr) => {
        $crate::conformance_tests! { @each ($transport)
            bytes_arrive_in_order
            the_end_comes_after_the_bytes
            a_pending_read_ends_after_shutdown
            a_dropped_connection_loses_nothing
            a_writer_waits_for_its_reader
            accept_can_be_cancelled
            accept_survives_clients_that_leave
            a_refused_client_is_closed_and_the_next_served
            a_client_that_is_decided_about_later_holds_up_no_other
            what_the_policy_does_not_decide_is_refused
            a_name_that_nobody_has_is_an_error
            a_dropped_listener_closes_its_address
            connections_outlive_their_listener
            an_address_in_use_is_refused
            many_clients_connect_at_once
            no_server_is_told_at_once
            a_busy_server_is_waited_for_until_the_deadline
            an_untrusted_server_is_sent_nothing
            the_policy_decides_about_the_server_before_the_deadline
            each_end_knows_the_other
            each_end_knows_that_the_other_is_of_the_same_user
        }
    };
    (@each ($transport:expr) $($test:ident)*) => {$(
        #[test]
        fn $test() {
            $crate::run(stringify!($test), || async {
                let transport = $transport;
                match $crate::Transport::cannot_run(&transport, stringify!($test)) {
                    Some(reason) => $crate::skip(concat!(module_path!(), "::", stringify!($test)), &reason),
                    None => $crate::suite::$test(transport).await,
                }
            });
        }
    )*};
}

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
