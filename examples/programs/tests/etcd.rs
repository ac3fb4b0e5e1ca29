//! etcd on a Unix socket, called by `etcd-client` over a `Channel`.

#![cfg(target_os = "linux")]

use std::path::PathBuf;

use etcd_client::{
    Client, Compare, CompareOp, Error, EventType, GetOptions, PutOptions, Txn, TxnOp, WatchOptions,
};
use grpc_ipc::tonic::Code;
use grpc_ipc::tonic::body::Body;
use grpc_ipc_conformance::run;
use grpc_ipc_programs::{Program, connect, installed};
use tempfile::TempDir;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt as _};

/// A cluster of one, in its directory.
struct Etcd {
    directory: TempDir,
    program: Program,
}

impl Etcd {
    fn start(test: &str) -> Option<Self> {
        if !installed(test, "etcd") {
            return None;
        }
        let directory = TempDir::new().unwrap();
        let program = Self::run(&directory);
        Some(Self { directory, program })
    }

    /// etcd requires a host and a port in every address. For a socket, `HOST:PORT` is a file in the current directory.
    fn run(directory: &TempDir) -> Program {
        let (clients, peers) = ("unix://clients:1", "unix://peers:1");
        let command = [
            "etcd",
            "--name=one",
            "--data-dir=data",
            &format!("--listen-client-urls={clients}"),
            &format!("--advertise-client-urls={clients}"),
            &format!("--listen-peer-urls={peers}"),
            &format!("--initial-advertise-peer-urls={peers}"),
            &format!("--initial-cluster=one={peers}"),
        ];
        Program::start(&command, directory)
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("clients:1")
    }

    async fn connect(&self) -> Client {
        let channel = connect(&self.socket()).await;
        let channel = channel.map_response(|response| response.map(Body::new)).map_err(BoxError::from);
        let channel = etcd_client::Channel::Custom(BoxCloneSyncService::new(channel));
        Client::from_channel(channel, None).await.unwrap()
    }

    /// Stops it, and starts it again.
    fn restart(self) -> Self {
        self.program.stop();
        Self { program: Self::run(&self.directory), directory: self.directory }
    }
}

fn code(error: Error) -> Code {
    match error {
        Error::GRpcStatus(status) => status.code(),
        other => panic!("{other}"),
    }
}

#[test]
fn keys_and_transactions() {
    run("keys_and_transactions", || async {
        let Some(etcd) = Etcd::start("keys_and_transactions") else { return };
        let mut client = etcd.connect().await;
        client.put("ü€😀", [0, 1, 255], None).await.unwrap();
        let got = client.get("ü€😀", None).await.unwrap();
        assert_eq!(got.kvs()[0].value(), [0, 1, 255]);
        for number in 0..100 {
            client.put(format!("key/{number:02}"), number.to_string(), None).await.unwrap();
        }
        let listed = client.get("key/", Some(GetOptions::new().with_prefix())).await.unwrap();
        let values: Vec<_> = listed.kvs().iter().map(|pair| pair.value_str().unwrap().to_owned()).collect();
        assert_eq!(values, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());

        let unchanged = Compare::version("ü€😀", CompareOp::Equal, 1);
        let change = || Txn::new().when([unchanged.clone()]).and_then([TxnOp::put("ü€😀", "new", None)]);
        assert!(client.txn(change()).await.unwrap().succeeded());
        assert!(!client.txn(change()).await.unwrap().succeeded());

        // etcd takes requests of 1.5 MiB.
        let large = client.put("large", vec![0; 3 << 20], None).await.unwrap_err();
        assert!(matches!(code(large), Code::InvalidArgument | Code::ResourceExhausted));
        client.put("large", vec![7; 1 << 20], None).await.unwrap();
        assert!(client.get("large", None).await.unwrap().kvs()[0].value() == vec![7; 1 << 20]);
    });
}

#[test]
fn watches_on_one_stream() {
    run("watches_on_one_stream", || async {
        let Some(etcd) = Etcd::start("watches_on_one_stream") else { return };
        let mut client = etcd.connect().await;
        let options = |id| WatchOptions::new().with_prefix().with_watch_id(id);
        let mut watch = client.watch("one/", Some(options(1))).await.unwrap();
        watch.watch("two/", Some(options(2))).await.unwrap();
        for id in [1, 2] {
            let created = watch.message().await.unwrap().unwrap();
            assert!(created.created() && created.watch_id() == id, "{created:?}");
        }
        // Changes from another client while the stream is open in both directions.
        let mut other = etcd.connect().await;
        for number in 0..50 {
            let value = number.to_string();
            other.put("one/key", value.clone(), None).await.unwrap();
            other.put("two/key", value, None).await.unwrap();
        }
        other.delete("one/key", None).await.unwrap();
        let (mut one, mut two) = (Vec::new(), Vec::new());
        while two.len() < 50 || one.len() < 51 {
            let response = watch.message().await.unwrap().unwrap();
            let seen = if response.watch_id() == 1 { &mut one } else { &mut two };
            seen.extend(response.events().iter().map(|event| match event.event_type() {
                EventType::Put => event.kv().unwrap().value_str().unwrap().to_owned(),
                EventType::Delete => "deleted".to_owned(),
            }));
        }
        assert_eq!(one.pop().unwrap(), "deleted");
        let expected: Vec<_> = (0..50).map(|number| number.to_string()).collect();
        assert_eq!((&one, &two), (&expected, &expected));

        watch.cancel(1).await.unwrap();
        let canceled = watch.message().await.unwrap().unwrap();
        assert!(canceled.canceled() && canceled.watch_id() == 1, "{canceled:?}");
        // A client that restarts needs only the revision to get the changes after it.
        let revision = canceled.header().unwrap().revision();
        drop(watch);
        other.put("two/key", "later", None).await.unwrap();
        let mut watch =
            client.watch("two/", Some(options(2).with_start_revision(revision + 1))).await.unwrap();
        assert!(watch.message().await.unwrap().unwrap().created());
        let later = watch.message().await.unwrap().unwrap();
        assert_eq!(later.events()[0].kv().unwrap().value(), b"later");
    });
}

#[test]
fn leases_are_kept_alive() {
    run("leases_are_kept_alive", || async {
        let Some(etcd) = Etcd::start("leases_are_kept_alive") else { return };
        let mut client = etcd.connect().await;
        let lease = client.lease_grant(60, None).await.unwrap().id();
        client.put("leased", "value", Some(PutOptions::new().with_lease(lease))).await.unwrap();
        let (mut keeper, mut kept) = client.lease_keep_alive(lease).await.unwrap();
        for _ in 0..20 {
            keeper.keep_alive().await.unwrap();
            let answer = kept.message().await.unwrap().unwrap();
            assert_eq!((answer.id(), answer.ttl()), (lease, 60));
        }
        let mut watch = client.watch("leased", None).await.unwrap();
        assert!(watch.message().await.unwrap().unwrap().created());
        client.lease_revoke(lease).await.unwrap();
        let deleted = watch.message().await.unwrap().unwrap();
        assert_eq!(deleted.events()[0].event_type(), EventType::Delete);
        assert!(client.get("leased", None).await.unwrap().kvs().is_empty());
    });
}

/// Waits until as many clients hold the lock or wait for it. etcd has a key for each.
async fn lockers(client: &mut Client, expected: usize) {
    let options = GetOptions::new().with_prefix();
    while client.get("lock/", Some(options.clone())).await.unwrap().kvs().len() != expected {}
}

#[test]
fn etcd_notices_that_a_call_is_cancelled() {
    run("etcd_notices_that_a_call_is_cancelled", || async {
        let Some(etcd) = Etcd::start("etcd_notices_that_a_call_is_cancelled") else { return };
        let mut client = etcd.connect().await;
        let held = client.lock("lock", None).await.unwrap();
        let mut waiting = client.clone();
        let waiting = tokio::spawn(async move { waiting.lock("lock", None).await });
        lockers(&mut client, 2).await;
        let mut given_up = client.clone();
        tokio::select! {
            result = given_up.lock("lock", None) => panic!("{result:?}"),
            () = lockers(&mut client, 3) => {}
        }
        lockers(&mut client, 2).await;
        client.unlock(held.key()).await.unwrap();
        let next = waiting.await.unwrap().unwrap();
        client.unlock(next.key()).await.unwrap();
        lockers(&mut client, 0).await;
    });
}

#[test]
fn its_keys_are_found_again_after_a_restart() {
    run("its_keys_are_found_again_after_a_restart", || async {
        let test = "its_keys_are_found_again_after_a_restart";
        let Some(etcd) = Etcd::start(test) else { return };
        let mut client = etcd.connect().await;
        client.put("key", "value", None).await.unwrap();
        let mut watch = client.watch("key", None).await.unwrap();
        assert!(watch.message().await.unwrap().unwrap().created());
        let etcd = etcd.restart();
        assert!(watch.message().await.is_err());
        assert_eq!(client.get("key", None).await.unwrap().kvs()[0].value(), b"value");
        etcd.program.stop();
    });
}
