//! `grpc-ipc bridge`: the bytes of one address at another.

use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use grpc_ipc::{
    AccessPolicy, Address, Backoff, BoxConnection, BoxConnector, ConnectError, Connection as _,
    Connector as _, ListenOptions, Listener as _, Peer, shutdown_signal,
};
use tokio::io::copy_bidirectional;
use tokio::time::{Duration, Instant};

use crate::connection::ConnectionArguments;
use crate::failure::{Failure, with_sources};
use crate::output::{escaped, print};
use crate::{access, address};

/// Listens on one address, and connects each client to a server at another one
///
/// The server sees the bridge as its client. So every client of the bridge has the permissions of the user that runs it.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Where clients connect, such as http://127.0.0.1:50051 or local:NAME
    #[arg(value_parser = address::parser())]
    listen: Address,
    /// The server's address
    #[arg(value_parser = address::parser(), long_help = address::long_help())]
    server: Address,
    /// Which users may connect to the bridge. The default is same-user-or-system; over TCP, anyone, because TCP does
    /// not identify clients
    #[arg(long, value_name = "POLICY", value_parser = access::policy)]
    allow: Option<AccessPolicy>,
    /// Listens for TCP beyond this machine, too
    #[arg(long)]
    dangerous_allow_remote: bool,
    /// Reports each client on standard error
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let stop = shutdown_signal().map_err(|error| Failure::new(format!("cannot wait for Ctrl-C: {error}")))?;
    let Arguments { listen, server, allow, dangerous_allow_remote, verbose, connection } = arguments;
    let warning = warning(&listen, &server, dangerous_allow_remote)?;
    let connector = connection.options(&server)?.into_connector();
    let connector = connector.map_err(|error| Failure::of_connect(&error))?;
    let mut options = ListenOptions::new(&listen);
    if let Some(allow) = allow {
        options = options.access(allow);
    } else if matches!(listen, Address::Tcp { .. }) {
        // The warning has been given.
        options = options.access(AccessPolicy::dangerous_allow_anyone());
    }
    let listener = options.into_listener().await;
    let mut listener = listener.map_err(|error| Failure::of_bind(&error))?;
    // Clients are accepted only after this.
    eprintln!("{warning}");
    print(format!("listening on {}, for {server}\n", listener.local_address()).as_bytes())?;
    let bridge = Arc::new(Bridge {
        connector,
        timeout: connection.connect_timeout(),
        wait: connection.wait(),
        verbose,
        failing: Mutex::default(),
    });
    let accept = async {
        loop {
            let client = listener.accept().await;
            tokio::spawn(Arc::clone(&bridge).serve(client));
        }
    };
    tokio::select! {
        () = accept => Ok(()),
        () = stop => Ok(()),
    }
}

/// Says whom the bridge lets act as its user.
fn warning(listen: &Address, server: &Address, remote: bool) -> Result<String, Failure> {
    let Address::Tcp { host, .. } = listen else {
        return Ok(format!("warning: the server at {server} sees every client of this bridge as you"));
    };
    let is_loopback = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if !is_loopback && !remote {
        return Err(Failure::wrong_input(format!("{listen} can be reached from other machines"))
            .hint("Listen on http://127.0.0.1:PORT, or say --dangerous-allow-remote if that is meant."));
    }
    let whom = if is_loopback { "any user of this machine" } else { "anyone who reaches this machine" };
    Ok(format!("warning: {whom} can connect to {listen}, and reaches the server at {server} as you"))
}

struct Bridge {
    connector: BoxConnector,
    /// For one attempt to connect.
    timeout: Duration,
    /// For all of them.
    wait: Duration,
    verbose: bool,
    /// Why the last attempt to reach the server failed, if it did.
    failing: Mutex<Option<String>>,
}

impl Bridge {
    /// Reports why the server cannot be reached. The same reason is reported once, because most clients connect again
    /// and again.
    fn report(&self, peer: &Peer, failure: Option<String>) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = &failure
            && (self.verbose || failing.as_ref() != Some(failure))
        {
            eprintln!("{peer}: {}", escaped(failure));
        }
        *failing = failure;
    }

    /// Connects to the server, and waits for one if it was told to.
    async fn connect(&self) -> Result<BoxConnection, ConnectError> {
        let began = Instant::now();
        let mut backoff = Backoff::connect();
        loop {
            match self.connector.connect(Instant::now() + self.timeout).await {
                Err(error) if error.is_transient() && began.elapsed() < self.wait => backoff.wait().await,
                connected => return connected,
            }
        }
    }

    async fn serve(self: Arc<Self>, mut client: BoxConnection) {
        let peer = client.peer().clone();
        if self.verbose {
            eprintln!("{peer} has connected");
        }
        match self.connect().await {
            Ok(mut server) => {
                self.report(&peer, None);
                let copied = copy_bidirectional(&mut client, &mut server).await;
                if self.verbose {
                    match copied {
                        Ok((up, down)) => eprintln!("{peer} has gone: {up} bytes up, {down} bytes down"),
                        Err(error) => eprintln!("{peer} has gone: {error}"),
                    }
                }
            }
            Err(error) => self.report(&peer, Some(with_sources(&error))),
        }
    }
}
