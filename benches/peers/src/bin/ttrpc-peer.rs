//! [ttrpc](https://docs.rs/ttrpc), asynchronous. The code that its generator would write for one method is written by
//! hand. The message is `google.protobuf.BytesValue`, which has the same field as `ipc.bench.Chunk`.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;

use async_trait::async_trait;
use bytes::Bytes;
use grpc_ipc_bench_peers::{Latencies, Result, Stack, Until, check, echo_in_tasks};
use protobuf::well_known_types::wrappers::BytesValue;
use ttrpc::r#async::{Client, MethodHandler, Server, Service, TtrpcContext};
use ttrpc::context::Context;

const SERVICE: &str = "ipc.bench.Bench";
const METHOD: &str = "Echo";

fn main() -> ExitCode {
    grpc_ipc_bench_peers::main::<Ttrpc>()
}

struct Bench;

impl Bench {
    async fn echo(&self, _: &TtrpcContext, chunk: BytesValue) -> ttrpc::Result<BytesValue> {
        Ok(chunk)
    }
}

struct EchoMethod {
    service: Bench,
}

#[async_trait]
impl MethodHandler for EchoMethod {
    async fn handler(&self, ctx: TtrpcContext, req: ttrpc::Request) -> ttrpc::Result<ttrpc::Response> {
        ttrpc::async_request_handler!(self, ctx, req, BytesValue, echo);
    }
}

#[derive(Clone)]
struct Ttrpc {
    client: Client,
}

impl Ttrpc {
    async fn call(&self, ctx: Context, req: &BytesValue) -> ttrpc::Result<BytesValue> {
        let mut cres = BytesValue::new();
        ttrpc::async_client_request!(self, ctx, req, SERVICE, METHOD, cres);
    }
}

impl Stack for Ttrpc {
    async fn serve(path: &Path, listening: impl FnOnce()) -> Result {
        let method = Box::new(EchoMethod { service: Bench }) as Box<dyn MethodHandler + Send + Sync>;
        let methods = HashMap::from([(METHOD.to_owned(), method)]);
        let service = Service { methods, streams: HashMap::new() };
        let server = Server::new().bind(&address(path))?;
        let mut server = server.register_service(HashMap::from([(SERVICE.to_owned(), service)]));
        server.start().await?;
        listening();
        std::future::pending().await
    }

    async fn connect(path: &Path) -> Result<Self> {
        Ok(Self { client: Client::connect(&address(path)).await? })
    }
}

impl grpc_ipc_bench_peers::Client for Ttrpc {
    async fn echo(&mut self, payload: &Bytes) -> Result {
        let chunk = BytesValue { value: payload.to_vec(), ..Default::default() };
        let answer = self.call(Context::default(), &chunk).await?;
        check(payload, answer.value.len())
    }

    async fn echo_many(
        &mut self,
        payload: &Bytes,
        in_flight: u64,
        until: Until,
    ) -> Result<Option<Latencies>> {
        echo_in_tasks(self, payload, in_flight, until).await
    }

    fn another(&self) -> Option<Self> {
        Some(self.clone())
    }
}

fn address(path: &Path) -> String {
    format!("unix://{}", path.display())
}
