//! A plug-in as its host sees it.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use grpc_ipc::tonic::Code;
use grpc_ipc::{Channel, ConnectOptions};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::broker::Broker;
use crate::handshake::{CLIENT_CERTIFICATE, COOKIE, Handshake, SOCKET_DIRECTORY, VERSION, VERSIONS};
use crate::proto::StdioData;
use crate::proto::grpc_controller_client::GrpcControllerClient;
use crate::proto::grpc_stdio_client::GrpcStdioClient;
use crate::tls::Certificate;

/// How long a plug-in may take until it listens, as long as in Go.
const START: Duration = Duration::from_secs(60);
/// How long it may take until it has ended.
const STOP: Duration = Duration::from_secs(2);

/// A running plug-in, which is killed when this is dropped.
pub struct Plugin {
    process: Child,
    pub channel: Channel,
    pub broker: Broker,
    output: JoinHandle<()>,
}

impl Plugin {
    /// Starts a plug-in, and checks that it serves. What it prints afterwards goes to `print`.
    pub async fn start(
        mut command: Command,
        tls: bool,
        print: impl FnMut(StdioData) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let certificate = if tls { Some(Certificate::create()?) } else { None };
        if let Some(certificate) = &certificate {
            command.env(CLIENT_CERTIFICATE, &certificate.pem);
        }
        let directory = TempDir::with_prefix("plugin-")?;
        command
            .envs([COOKIE, (VERSIONS, VERSION)])
            .env(SOCKET_DIRECTORY, directory.path())
            // Older versions of go-plugin use this one.
            .env("TMPDIR", directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut process = command.spawn().with_context(|| format!("{command:?}"))?;
        let mut lines = BufReader::new(process.stdout.take().context("no standard output")?).lines();
        let line = timeout(START, lines.next_line()).await.context("the plug-in printed no line")??;
        let handshake = Handshake::parse(&line.context("the plug-in has ended")?)?;
        // The host ignores further lines, but it reads them, so that the plug-in does not block.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });

        let mut options = ConnectOptions::new(format!("unix:{}", handshake.path));
        let mut tls = None;
        if let Some(certificate) = certificate {
            let other = handshake.certificate.context("the plug-in does not use TLS")?;
            options = options.tls(tls.insert(certificate.with(&other)?).client());
        }
        let channel = Channel::connect(options).await?;
        let request = HealthCheckRequest { service: "plugin".to_owned() };
        let health = HealthClient::new(channel.clone()).check(request).await?.into_inner();
        ensure!(health.status() == ServingStatus::Serving, "the plug-in does not serve");
        let broker = Broker::new(directory, tls);
        broker.start(channel.clone());
        let output = tokio::spawn(follow(channel.clone(), print));
        Ok(Self { process, channel, broker, output })
    }

    /// Asks the plug-in to end, and waits until it has ended and all of its output was passed on.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        // A plug-in in Go closes the connection before it answers.
        _ = GrpcControllerClient::new(self.channel.clone()).shutdown(()).await;
        let status = timeout(STOP, self.process.wait()).await.context("the plug-in does not end")??;
        self.output.await?;
        ensure!(status.success(), "the plug-in: {status}");
        Ok(())
    }
}

/// Passes on what the plug-in prints, until it ends.
async fn follow(channel: Channel, mut print: impl FnMut(StdioData)) {
    let mut stdio = match GrpcStdioClient::new(channel).stream_stdio(()).await {
        Ok(response) => response.into_inner(),
        Err(status) if status.code() == Code::Unimplemented => return,
        Err(status) => return eprintln!("the plug-in's output: {status}"),
    };
    while let Ok(Some(data)) = stdio.message().await {
        print(data);
    }
}
