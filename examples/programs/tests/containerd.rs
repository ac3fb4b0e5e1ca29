//! containerd, called over a `Channel` by the client that `containerd-client` generates with tonic.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use containerd_client::events::NamespaceCreate;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::leases_client::LeasesClient;
use containerd_client::services::v1::namespaces_client::NamespacesClient;
use containerd_client::services::v1::version_client::VersionClient;
use containerd_client::services::v1::{
    AddResourceRequest, CreateNamespaceRequest, CreateRequest, DeleteNamespaceRequest, DeleteRequest,
    InfoRequest, ListNamespacesRequest, ListResourcesRequest, ListStatusesRequest, Namespace, PublishRequest,
    ReadContentRequest, Resource, SubscribeRequest, UpdateNamespaceRequest, WriteAction, WriteContentRequest,
    WriteContentResponse,
};
use containerd_client::to_any;
use containerd_client::types::Envelope;
use grpc_ipc::Channel;
use grpc_ipc::tonic::{Code, Request, Status, Streaming};
use grpc_ipc_conformance::run;
use grpc_ipc_programs::{Program, connect, installed, printed};
use tempfile::TempDir;
use tokio_stream::{StreamExt as _, iter};

/// The namespace that most calls name in their metadata.
const NAMESPACE: &str = "grpc-ipc";
/// containerd sends content in messages of this size.
const PIECE: usize = 1 << 20;

/// containerd without containers. It stores everything in its directory.
struct Containerd {
    directory: TempDir,
    program: Program,
}

impl Containerd {
    fn start(test: &str) -> Option<Self> {
        if !installed(test, "containerd") {
            return None;
        }
        let directory = TempDir::new().unwrap();
        let path = |name| directory.path().join(name);
        // Without the delay, it deletes content without a lease soon after it has started.
        let configuration = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.internal.v1.opt\"]\n\
             [grpc]\naddress = {:?}\n\
             [plugins.\"io.containerd.gc.v1.scheduler\"]\nstartup_delay = \"1h\"\n",
            path("root"),
            path("state"),
            path("socket"),
        );
        fs::write(path("config.toml"), configuration).unwrap();
        let program = Self::run(&directory);
        Some(Self { directory, program })
    }

    fn run(directory: &TempDir) -> Program {
        Program::start(&["containerd", "--config", "config.toml"], directory)
    }

    /// Stops it, and starts it again.
    fn restart(self) -> Self {
        self.program.stop();
        Self { program: Self::run(&self.directory), directory: self.directory }
    }

    /// A channel, after [`NAMESPACE`] was created.
    async fn connect(&self) -> Channel {
        let channel = connect(&self.directory.path().join("socket")).await;
        create(&channel, NAMESPACE).await.unwrap();
        channel
    }

    /// Where it stores a blob.
    fn blob(&self, digest: &str) -> PathBuf {
        let blobs = self.directory.path().join("root/io.containerd.content.v1.content/blobs");
        blobs.join(digest.replace(':', "/"))
    }
}

/// A request in [`NAMESPACE`].
fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("containerd-namespace", NAMESPACE.parse().unwrap());
    request
}

/// Publishes an event that no other call does.
async fn publish(channel: &Channel, topic: &str, name: &str) {
    let event = to_any(&NamespaceCreate { name: name.to_owned(), ..Default::default() });
    let request = PublishRequest { topic: topic.to_owned(), event: Some(event) };
    EventsClient::new(channel.clone()).publish(within(request)).await.unwrap();
}

/// The events from now on. containerd sends no headers before the first event, so this publishes some.
async fn subscribe(channel: &Channel) -> Streaming<Envelope> {
    let mut client = EventsClient::new(channel.clone());
    let subscribed = client.subscribe(SubscribeRequest::default());
    let publish = async {
        loop {
            publish(channel, "/first", "").await;
        }
    };
    tokio::select! {
        subscribed = subscribed => subscribed.unwrap().into_inner(),
        () = publish => unreachable!(),
    }
}

async fn create(channel: &Channel, name: &str) -> Result<(), Status> {
    let labels = [("umlaut".to_owned(), "ü€😀".to_owned())].into();
    let namespace = Some(Namespace { name: name.to_owned(), labels });
    NamespacesClient::new(channel.clone()).create(within(CreateNamespaceRequest { namespace })).await?;
    Ok(())
}

/// Bytes without repetitions.
fn content(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn write(name: &str, offset: usize, data: &[u8]) -> WriteContentRequest {
    WriteContentRequest {
        action: WriteAction::Write.into(),
        r#ref: name.to_owned(),
        offset: offset as i64,
        data: data.to_vec(),
        ..Default::default()
    }
}

/// Writes in pieces, and returns the last response: the one to the commit.
async fn upload(
    channel: &Channel,
    name: &str,
    content: &[u8],
    piece: usize,
) -> Result<WriteContentResponse, Status> {
    let pieces = (0..).step_by(piece).zip(content.chunks(piece));
    let mut requests: Vec<_> = pieces.map(|(offset, data)| write(name, offset, data)).collect();
    let total = content.len() as i64;
    let commit = write(name, content.len(), &[]);
    requests.push(WriteContentRequest { action: WriteAction::Commit.into(), total, ..commit });
    let mut client = ContentClient::new(channel.clone());
    let mut responses = client.write(within(iter(requests))).await?.into_inner();
    let mut last = None;
    while let Some(response) = responses.message().await? {
        last = Some(response);
    }
    last.ok_or_else(|| Status::internal("no response"))
}

async fn download(channel: &Channel, digest: &str, offset: usize, size: usize) -> Result<Vec<u8>, Status> {
    let request = ReadContentRequest { digest: digest.to_owned(), offset: offset as i64, size: size as i64 };
    let mut client = ContentClient::new(channel.clone());
    let mut responses = client.read(within(request)).await?.into_inner();
    let mut content = Vec::new();
    while let Some(response) = responses.message().await? {
        // Counted from the first byte that was asked for.
        assert_eq!(response.offset as usize, content.len());
        content.extend(response.data);
    }
    Ok(content)
}

#[test]
fn its_version_and_namespaces() {
    run("its_version_and_namespaces", || async {
        let Some(containerd) = Containerd::start("its_version_and_namespaces") else { return };
        let channel = containerd.connect().await;
        let version = VersionClient::new(channel.clone()).version(()).await.unwrap().into_inner();
        let says = printed(Command::new("containerd").arg("--version"));
        assert_eq!(says.split_whitespace().skip(2).collect::<Vec<_>>(), [version.version, version.revision]);

        let mut namespaces = NamespacesClient::new(channel.clone());
        let taken = create(&channel, NAMESPACE).await.unwrap_err();
        assert_eq!(taken.code(), Code::AlreadyExists, "{taken}");
        let changed =
            Namespace { name: NAMESPACE.to_owned(), labels: [("a".to_owned(), "b".to_owned())].into() };
        let request = UpdateNamespaceRequest { namespace: Some(changed.clone()), update_mask: None };
        namespaces.update(within(request)).await.unwrap();
        let listed = namespaces.list(ListNamespacesRequest::default()).await.unwrap().into_inner();
        assert_eq!(listed.namespaces, [changed]);

        let name = || NAMESPACE.to_owned();
        namespaces.delete(within(DeleteNamespaceRequest { name: name() })).await.unwrap();
        let again = namespaces.delete(within(DeleteNamespaceRequest { name: name() })).await.unwrap_err();
        assert_eq!(again.code(), Code::NotFound, "{again}");
    });
}

#[test]
fn content_up_and_down() {
    run("content_up_and_down", || async {
        let Some(containerd) = Containerd::start("content_up_and_down") else { return };
        let channel = containerd.connect().await;
        // Messages below and above the size of a frame, of a window, and of gRPC's default limit.
        for (piece, length) in [(100_usize, 10_000), (PIECE, 10 * PIECE + 1), (9 * PIECE, 20 * PIECE)] {
            let content = content(length);
            let name = format!("upload-{piece}");
            let committed = upload(&channel, &name, &content, piece).await.unwrap();
            assert_eq!(committed.offset as usize, length);
            assert!(fs::read(containerd.blob(&committed.digest)).unwrap() == content, "{piece}");
            let digest = &committed.digest;
            assert!(download(&channel, digest, 0, 0).await.unwrap() == content, "{piece}");
            let middle = download(&channel, digest, 7, length / 2).await.unwrap();
            assert!(middle == content[7..7 + length / 2], "{piece}");
        }
    });
}

#[test]
fn many_downloads_at_once_of_which_some_are_given_up() {
    run("many_downloads_at_once_of_which_some_are_given_up", || async {
        let test = "many_downloads_at_once_of_which_some_are_given_up";
        let Some(containerd) = Containerd::start(test) else { return };
        let channel = containerd.connect().await;
        let content = content(3 * PIECE);
        let digest = upload(&channel, "many", &content, PIECE).await.unwrap().digest;
        let mut downloads = tokio::task::JoinSet::new();
        for number in 0..60 {
            let (channel, digest, content) = (channel.clone(), digest.clone(), content.clone());
            downloads.spawn(async move {
                if number % 3 == 0 {
                    // The rest is not read.
                    let request = ReadContentRequest { digest, offset: 0, size: 0 };
                    let mut client = ContentClient::new(channel);
                    let mut responses = client.read(within(request)).await.unwrap().into_inner();
                    assert!(responses.message().await.unwrap().is_some());
                } else {
                    assert!(download(&channel, &digest, 0, 0).await.unwrap() == content);
                }
            });
        }
        while let Some(result) = downloads.join_next().await {
            result.unwrap();
        }
    });
}

#[test]
fn its_refusals_are_those_of_one_call() {
    run("its_refusals_are_those_of_one_call", || async {
        let Some(containerd) = Containerd::start("its_refusals_are_those_of_one_call") else { return };
        let channel = containerd.connect().await;
        let mut client = ContentClient::new(channel.clone());

        let digest = format!("sha256:{}", "0".repeat(64));
        let unknown = download(&channel, &digest, 0, 0).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound, "{unknown}");
        // While the client still sends.
        let unexpected = WriteContentRequest { offset: 5, ..write("refused", 0, b"later") };
        let refused = client.write(within(iter([unexpected]).chain(tokio_stream::pending()))).await;
        let refused = match refused {
            Ok(responses) => responses.into_inner().message().await.unwrap_err(),
            Err(status) => status,
        };
        assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
        // containerd takes messages of 16 MiB.
        let large = upload(&channel, "large", &content(17 * PIECE), 17 * PIECE).await.unwrap_err();
        assert_eq!(large.code(), Code::ResourceExhausted, "{large}");
        let nowhere = client.info(InfoRequest::default()).await.unwrap_err();
        assert_eq!(nowhere.code(), Code::InvalidArgument, "{nowhere}");

        upload(&channel, "small", b"small", 2).await.unwrap();
        let left = client.list_statuses(within(ListStatusesRequest::default())).await.unwrap().into_inner();
        assert!(left.statuses.iter().all(|status| status.r#ref != "small"), "{left:?}");
    });
}

#[test]
fn events_arrive_while_other_calls_are_made() {
    run("events_arrive_while_other_calls_are_made", || async {
        let test = "events_arrive_while_other_calls_are_made";
        let Some(containerd) = Containerd::start(test) else { return };
        let channel = containerd.connect().await;
        let mut events = subscribe(&channel).await;
        for number in 0..100 {
            create(&channel, &format!("n{number}")).await.unwrap();
        }
        publish(&channel, "/last", "last").await;
        let mut expected: Vec<_> = (0..100).map(|number| format!("n{number}")).collect();
        expected.push("last".to_owned());
        for name in expected {
            let mut event = events.message().await.unwrap().unwrap();
            while event.topic == "/first" {
                event = events.message().await.unwrap().unwrap();
            }
            let mut payload = event.event.unwrap();
            // prost expects a slash in front of the type's name.
            payload.type_url.insert(0, '/');
            assert_eq!(payload.to_msg::<NamespaceCreate>().unwrap().name, name, "{}", event.topic);
        }
        drop(events);
        assert_eq!(create(&channel, "n0").await.unwrap_err().code(), Code::AlreadyExists);
    });
}

/// containerd tells clients before it closes connections. With the last lease, it deletes all content.
#[test]
fn leased_content_is_found_again_after_a_restart() {
    run("leased_content_is_found_again_after_a_restart", || async {
        let test = "leased_content_is_found_again_after_a_restart";
        let Some(containerd) = Containerd::start(test) else { return };
        let channel = containerd.connect().await;
        let content = content(2 * PIECE);
        let digest = upload(&channel, "leased", &content, PIECE).await.unwrap().digest;
        let other = upload(&channel, "other", b"other", 5).await.unwrap().digest;
        let mut leases = LeasesClient::new(channel.clone());
        let id = || "lease".to_owned();
        leases.create(within(CreateRequest { id: id(), ..Default::default() })).await.unwrap();
        let resource = Resource { id: digest.clone(), r#type: "content".to_owned() };
        let request = AddResourceRequest { id: id(), resource: Some(resource.clone()) };
        leases.add_resource(within(request)).await.unwrap();
        let mut events = subscribe(&channel).await;

        let containerd = containerd.restart();
        let ended = loop {
            match events.message().await {
                Ok(event) => assert!(event.is_some()),
                Err(status) => break status,
            }
        };
        assert_eq!(ended.code(), Code::Unavailable, "{ended}");
        let resources = leases.list_resources(within(ListResourcesRequest { id: id() })).await.unwrap();
        assert_eq!(resources.into_inner().resources, [resource]);
        assert!(download(&channel, &digest, 0, 0).await.unwrap() == content);
        leases.delete(within(DeleteRequest { id: id(), sync: true })).await.unwrap();
        for digest in [digest, other] {
            let deleted = download(&channel, &digest, 0, 0).await.unwrap_err();
            assert_eq!(deleted.code(), Code::NotFound, "{deleted}");
        }
        containerd.program.stop();
    });
}
