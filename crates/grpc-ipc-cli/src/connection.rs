//! How to connect: the arguments of every command that does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use grpc_ipc::tls::{ClientTls, Identity, TlsError, Trust};
use grpc_ipc::tonic::codegen::http::Uri;
use grpc_ipc::{AccessPolicy, Address, Channel, ConnectOptions, Http2Options};

use crate::access::POLICIES;
use crate::deadline::Deadline;
use crate::failure::{Failure, with_sources};
use crate::{access, duration};

/// Options of the connection.
#[derive(Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArguments {
    /// Which users may run the server. The default is same-user-or-system; over TCP, anyone
    #[arg(long, value_name = "POLICY", value_parser = access::policy, long_help = long_help())]
    access: Option<AccessPolicy>,
    /// How long the server may take to answer a connection [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    connect_timeout: Option<Duration>,
    /// Waits this long for a server that is not up yet, instead of failing at once
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    wait: Option<Duration>,
    /// The `:authority` of the calls [default: localhost]
    #[arg(long, value_name = "NAME")]
    authority: Option<String>,
    /// Precedes the name of this library in `user-agent`
    #[arg(long, value_name = "TEXT", default_value = concat!("grpc-ipc-cli/", env!("CARGO_PKG_VERSION")))]
    user_agent: String,
    /// Sends a ping when the server has been silent for this long, and ends the calls if it does not answer
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    keepalive_time: Option<Duration>,
    /// Speaks TLS, and trusts the servers whose certificates these authorities (PEM) have signed
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// The client's certificate (PEM), for TLS
    #[arg(long, value_name = "FILE", requires_all = ["key", "cacert"])]
    cert: Option<PathBuf>,
    /// The private key of --cert (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The name that the server's certificate must have [default: localhost]
    #[arg(long, value_name = "NAME", requires = "cacert")]
    servername: Option<String>,
}

impl ConnectionArguments {
    /// The options of a channel to `address`.
    pub(crate) fn options(&self, address: &Address) -> Result<ConnectOptions, Failure> {
        let mut options = ConnectOptions::new(address).user_agent(&self.user_agent);
        if let Some(access) = &self.access {
            options = options.access(access.clone());
        }
        if let Some(timeout) = self.connect_timeout {
            options = options.connect_timeout(timeout);
        }
        if let Some(limit) = self.wait {
            options = options.wait(limit);
        }
        if let Some(authority) = &self.authority {
            options = options.origin(origin(authority)?);
        }
        if let Some(silence) = self.keepalive_time {
            options = options.http2(Http2Options::new().keepalive(silence));
        }
        match &self.cacert {
            Some(authorities) => Ok(options.tls(self.tls(authorities)?)),
            None => Ok(options),
        }
    }

    /// The policy of `--access`.
    pub(crate) fn access(&self) -> Option<&AccessPolicy> {
        self.access.as_ref()
    }

    /// How long one attempt to connect may take.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout.unwrap_or(Duration::from_secs(5))
    }

    /// How long all attempts may take.
    pub(crate) fn wait(&self) -> Duration {
        self.wait.unwrap_or_default()
    }

    /// Connects, once or for as long as `--wait` says, but not beyond `deadline`.
    pub(crate) async fn connect(&self, address: &Address, deadline: Deadline) -> Result<Channel, Failure> {
        let options = self.options(address)?;
        deadline.end(&format!("cannot connect to {address}"), connect(options)).await
    }

    fn tls(&self, authorities: &Path) -> Result<ClientTls, Failure> {
        let wrong = |error: TlsError| Failure::wrong_input(with_sources(&error));
        let mut tls = ClientTls::new(Trust::authorities(read(authorities)?).map_err(wrong)?);
        if let (Some(certificate), Some(key)) = (&self.cert, &self.key) {
            tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?).map_err(wrong)?);
        }
        match &self.servername {
            Some(name) => tls.server_name(name).map_err(wrong),
            None => Ok(tls),
        }
    }
}

fn long_help() -> String {
    format!(
        "Which users may run the server: {POLICIES}. Nothing is sent to any other server. The default is \
         same-user-or-system; over TCP, anyone."
    )
}

/// Connects with `options`.
pub(crate) async fn connect(options: ConnectOptions) -> Result<Channel, Failure> {
    Channel::connect(options).await.map_err(|error| Failure::of_connect(&error))
}

fn origin(authority: &str) -> Result<Uri, Failure> {
    let uri = Uri::builder().scheme("http").authority(authority).path_and_query("/").build();
    uri.map_err(|error| Failure::wrong_input(format!("--authority {authority:?}: {error}")))
}

/// The bytes of a file that the user has named.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
}
