use std::io;

use grpc_ipc_core::{Acceptor, Address, BindError, Listener, Source};
use grpc_ipc_win32::{Identity, SystemNames, is_administrator};

use super::endpoint::Names;
use super::held_name::HeldName;
use super::instances::Connected;
use super::{ListenOptions, LocalStream, identify};

/// A listening named pipe. Created by [`ListenOptions::listen`].
pub struct LocalListener(Acceptor<Pipe>);

struct Pipe {
    name: HeldName,
    own: Identity,
}

impl LocalListener {
    pub(super) async fn bind(options: ListenOptions, address: &Address) -> Result<Self, BindError> {
        let own = Identity::own()
            .map_err(|error| BindError::from_io(address, "determine the user of this process", error))?;
        let names = Names::new(address, own.sid())
            .map_err(|reason| BindError::Unsupported { address: address.clone(), reason })?;
        let name = names.to_listen(own.sid(), is_administrator);
        let pipe = Address::named_pipe(name.as_str())?;
        let descriptor =
            options.descriptor.compile(own.sid()).map_err(|source| BindError::InvalidOption {
                address: address.clone(),
                option: format!("the security descriptor {:?}", options.descriptor.to_sddl(own.sid())),
                source,
            })?;
        let access = options.access.look_up_names(SystemNames).await;
        let access = access.map_err(|error| BindError::unknown_name(address, error))?;
        let name = HeldName::take(address, &name, &own, descriptor, &options).await?;
        Ok(Self(Acceptor::new(Pipe { name, own }, pipe, access)))
    }

    /// The pipe's security descriptor at its creation, as reported by Windows: owner, DACL and mandatory label, in
    /// SDDL. `None` if it could not be read. In a server that takes over another one ([`ListenOptions::restartable`]),
    /// it is also `None` until the server accepts.
    pub fn security_descriptor(&self) -> Option<&str> {
        self.0.source().name.security_descriptor()
    }

    /// Waits until another process has taken over the pipe ([`ListenOptions::restartable`]), or forever if none does.
    ///
    /// From then on, this listener creates no instances, and clients connect to the new server.
    /// [`accept`](Listener::accept) and [`accept_last`](Listener::accept_last) still return the clients that had
    /// connected here. A server that has finished with them may end.
    pub fn handed_over(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.source().name.handed_over()
    }
}

impl Listener for LocalListener {
    type Connection = LocalStream;

    async fn accept(&mut self) -> LocalStream {
        self.0.accept().await
    }

    async fn accept_last(&mut self) -> Option<LocalStream> {
        self.0.accept_last().await
    }

    fn local_address(&self) -> &Address {
        self.0.local_address()
    }
}

impl Source for Pipe {
    /// A client, and the identity of this process.
    type Client = (Connected, Identity);
    type Connection = LocalStream;

    async fn next(&mut self) -> io::Result<Self::Client> {
        Ok((self.name.next().await?, self.own.clone()))
    }

    async fn last(&mut self) -> Option<Self::Client> {
        Some((self.name.last().await?, self.own.clone()))
    }

    async fn identify((connected, own): Self::Client) -> io::Result<LocalStream> {
        Ok(identify::client_of(connected, &own).await)
    }
}
