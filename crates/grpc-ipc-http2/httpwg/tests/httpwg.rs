//! `httpwg`, the RFC 9113 suite of the HTTP implementation loona, against the engine with a service that echoes the
//! body of a request. Each case passes, or [`DIFFERENT`] quotes the sentence that allows the engine's behavior.
//!
//! The clock stands still while anything runs. So a case never fails because the machine is busy, and its elapsed time
//! shows whether the engine left it waiting. The suite itself cannot tell: its reader gives up after the same time as
//! the case does, and the case takes that for the end of the connection, which counts as any error.

#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use buffet::IntoHalves;
use buffet::bufpool::initialize_allocator_with_num_bufs;
use bytes::Bytes;
use grpc_ipc_conformance::Watchdog;
use grpc_ipc_http2::server::Connection;
use grpc_ipc_http2::{Error, Options, RecvBody};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use httpwg::{BoxedTest, Config, Conn};
use tokio::io::{DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::task::LocalSet;
use tokio::time::Instant;
use tower::service_fn;

mod suite {
    use std::collections::HashMap;

    use buffet::IntoHalves;
    use httpwg::Conn;

    httpwg_macros::gen_catalog!(catalog);
}

/// The cases in which the engine behaves differently, each with the sentence that allows it.
const DIFFERENT: [(&str, &str); 2] = [
    (
        "8. expressing http semantics in http2: sends headers frame with leading space in field value",
        WHITESPACE,
    ),
    (
        "8. expressing http semantics in http2: sends headers frame with trailing tab in field value",
        WHITESPACE,
    ),
];

/// RFC 9113 calls such a request malformed (8.2.1). gRPC does not, and clients send such metadata.
const WHITESPACE: &str =
    "gRPC, PROTOCOL-HTTP2: if it contains leading or trailing whitespace, it may be stripped";

/// The number of cases in the suite.
const CASES: usize = 107;

struct Client(DuplexStream);

impl IntoHalves for Client {
    type Read = ReadHalf<DuplexStream>;
    type Write = WriteHalf<DuplexStream>;

    fn into_halves(self) -> (Self::Read, Self::Write) {
        split(self.0)
    }
}

#[test]
fn every_case_passes_or_is_named_with_its_reason() {
    let _watchdog = Watchdog::start("httpwg", Duration::from_secs(60));
    initialize_allocator_with_num_bufs(4096).unwrap();
    let mut cases = BTreeMap::new();
    for (section, tests) in suite::catalog::<Client>().into_values().flatten() {
        cases.extend(tests.into_iter().map(|(name, case)| (format!("{section}: {name}"), case)));
    }
    assert_eq!(cases.len(), CASES);
    let mut different = HashMap::from(DIFFERENT);
    let mut wrong = Vec::new();
    for (name, case) in cases {
        let listed = different.remove(name.as_str());
        match (run(case), listed) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Err(error), None) => wrong.push(format!("{name}: {error}")),
            (Ok(()), Some(reason)) => {
                wrong.push(format!("{name}: passes, and is listed because of {reason}"))
            }
        }
    }
    wrong.extend(different.keys().map(|name| format!("{name}: is listed, and is not a case of the suite")));
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// Runs a case on a separate connection.
fn run(case: BoxedTest<Client>) -> Result<(), String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let (client, server) = duplex(1 << 20);
        // The suite considers frames of more than 16 KiB too large, the lowest limit that RFC 9113 allows (section
        // 6.5.2).
        let options = Options::new().max_frame_size(16 * 1024);
        tokio::spawn(Connection::new(server, service_fn(|request| Box::pin(echo(request))), options));
        let conn = Conn::new(Rc::new(Config::default()), Client(client));
        let begun = Instant::now();
        // In a task, because some cases panic when they fail.
        let result = tokio::task::spawn_local(case(conn)).await;
        match result.map_err(|panic| panic.to_string()) {
            Ok(Ok(())) if begun.elapsed() == Duration::ZERO => Ok(()),
            Ok(Ok(())) => Err(format!("nothing has come for {:?}", begun.elapsed())),
            Ok(Err(error)) => Err(format!("{error:#}")),
            Err(panic) => Err(panic),
        }
    })
}

/// Answers with the body of the request, or with a body of its own if that is empty, because the suite waits for DATA.
async fn echo(request: Request<RecvBody>) -> Result<Response<Full<Bytes>>, Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let body = if body.is_empty() { Bytes::from_static(b"hello") } else { body };
    Ok(Response::new(Full::new(body)))
}
