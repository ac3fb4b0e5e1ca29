use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use grpc_ipc_core::{AccessPolicy, Address, BindError, Listener, UserId};

use super::instances::Instances;
use super::{ListenOptions, LocalStream, endpoint, identify, sys};

/// Clients that are being identified at a time; more wait to be accepted.
const IDENTIFYING: usize = 128;

/// A named pipe that a server listens on. [`ListenOptions::listen`] makes one.
pub struct LocalListener {
    instances: Instances,
    /// Clients that have connected, until it is known whether they are let in. One that takes its time holds up
    /// nobody else.
    identifying: FuturesUnordered<BoxFuture<'static, Option<LocalStream>>>,
    address: Address,
    access: AccessPolicy,
    own: UserId,
}

impl LocalListener {
    pub(super) async fn bind(options: ListenOptions, address: &Address) -> Result<Self, BindError> {
        let own = sys::own_user().map_err(|error| {
            BindError::from_io(address, "find out which user this process runs as", error)
        })?;
        let name = endpoint::pipe_name(address, &own)
            .map_err(|reason| BindError::Unsupported { address: address.clone(), reason })?;
        let descriptor = options.descriptor.compile(&own).map_err(|source| BindError::InvalidOption {
            address: address.clone(),
            option: format!("the security descriptor {:?}", options.descriptor.to_sddl(&own)),
            source,
        })?;
        let backlog = options.backlog as usize;
        let instances = Instances::create(address, &name, descriptor, backlog, options.buffer_size).await?;
        Ok(Self {
            instances,
            identifying: FuturesUnordered::new(),
            address: Address::named_pipe(name)?,
            access: options.access,
            own: UserId::Sid(own.into()),
        })
    }

    /// The pipe's security descriptor as Windows had it when the pipe was created: owner, DACL and mandatory label, in
    /// SDDL. `None` if it could not be read.
    pub fn security_descriptor(&self) -> Option<&str> {
        self.instances.security_descriptor()
    }
}

impl Listener for LocalListener {
    type Connection = LocalStream;

    async fn accept(&mut self) -> LocalStream {
        loop {
            tokio::select! {
                Some(admitted) = self.identifying.next() => {
                    if let Some(stream) = admitted {
                        return stream;
                    }
                }
                pipe = self.instances.next(), if self.identifying.len() < IDENTIFYING => {
                    let admit = identify::admit(pipe, self.access.clone(), self.own.clone());
                    self.identifying.push(admit.boxed());
                }
            }
        }
    }

    fn local_address(&self) -> &Address {
        &self.address
    }
}
