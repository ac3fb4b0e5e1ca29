//! The kinds of clients, and what they see.

use grpc_ipc_proto::bench::Chunk;
use grpc_ipc_proto::bench::bench_client::BenchClient;
use grpc_ipc_proto::tonic_generated::bench::bench_client as tonics;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::call::Call;
use crate::other::Other;
use crate::servers::Scene;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientKind {
    Direct,
    /// With an interceptor that does nothing.
    Intercepted,
    /// Over a service that is not a channel.
    General,
    /// As tonic generates it.
    Tonics,
}

pub(crate) const CLIENTS: [ClientKind; 4] =
    [ClientKind::Direct, ClientKind::Intercepted, ClientKind::General, ClientKind::Tonics];

impl ClientKind {
    pub(crate) fn is_direct(self) -> bool {
        matches!(self, Self::Direct | Self::Intercepted)
    }
}

impl Scene {
    /// What the caller and the handler see of a call.
    pub(crate) async fn call(&self, kind: ClientKind, call: &Call) -> String {
        *self.handlers.next.lock().unwrap() = Some(call.handler.clone());
        let answer = self.answer(kind, call).await;
        let seen: Vec<_> = self.handlers.seen.lock().unwrap().drain(..).collect();
        format!("{} {seen:?}", outcome(answer))
    }

    /// Lets the server count a call that the client may have given up before the server knew of it: requests are counted in
    /// the order in which they come.
    pub(crate) async fn settle(&self, kind: ClientKind) {
        self.call(kind, &Call::plain()).await;
    }

    pub(crate) async fn answer(&self, kind: ClientKind, call: &Call) -> Result<Response<Chunk>, Status> {
        let mut request = Request::new(Chunk { payload: vec![b'x'; call.size].into() });
        *request.metadata_mut() = call.metadata.clone();
        if let Some(timeout) = call.timeout {
            request.set_timeout(timeout);
        }
        macro_rules! echo {
            ($client:expr) => {{
                let mut client = $client;
                if let Some(limit) = call.limit_encoding {
                    client = client.max_encoding_message_size(limit);
                }
                if let Some(limit) = call.limit_decoding {
                    client = client.max_decoding_message_size(limit);
                }
                client.echo(request).await
            }};
        }
        let channel = self.channel.clone();
        match kind {
            ClientKind::Direct => echo!(BenchClient::new(channel)),
            ClientKind::Intercepted => echo!(BenchClient::with_interceptor(channel, Ok)),
            ClientKind::General => echo!(BenchClient::new(Other(channel))),
            ClientKind::Tonics => echo!(tonics::BenchClient::new(channel)),
        }
    }
}

fn outcome(answer: Result<Response<Chunk>, Status>) -> String {
    match answer {
        Ok(response) => {
            let payload = &response.get_ref().payload;
            assert!(payload.iter().all(|byte| *byte == b'x'));
            format!("{} {:?}", payload.len(), fields(response.metadata()))
        }
        Err(status) => {
            let (code, message) = (status.code(), status.message());
            format!("{code:?} {message:?} {:?} {:?}", status.details(), fields(status.metadata()))
        }
    }
}

/// The fields that everybody sees, in an order of their own. Code that tonic has generated shows the protocol's own, too.
pub(crate) fn fields(metadata: &MetadataMap) -> Vec<String> {
    const OWN: [&str; 8] = [
        "te",
        "content-type",
        "content-length",
        "user-agent",
        "grpc-encoding",
        "grpc-accept-encoding",
        "grpc-status",
        "grpc-message",
    ];
    let mut names: Vec<_> = metadata.as_ref().keys().filter(|name| !OWN.contains(&name.as_str())).collect();
    names.sort_by_key(|name| name.as_str());
    let values = |name| metadata.as_ref().get_all(name).iter();
    // The values of one name keep their order.
    names.into_iter().flat_map(|name| values(name).map(move |value| format!("{name}: {value:?}"))).collect()
}
