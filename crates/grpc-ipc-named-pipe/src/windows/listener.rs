use grpc_ipc_core::{Address, Admission, BindError, Listener, UserId};

use super::endpoint::Names;
use super::instances::Instances;
use super::names::SystemNames;
use super::{ListenOptions, LocalStream, identify, sys};

/// A named pipe that a server listens on. [`ListenOptions::listen`] makes one.
pub struct LocalListener {
    instances: Instances,
    admission: Admission<LocalStream>,
    address: Address,
    own: UserId,
}

impl LocalListener {
    pub(super) async fn bind(options: ListenOptions, address: &Address) -> Result<Self, BindError> {
        let own = sys::Token::own().and_then(|token| token.user()).map_err(|error| {
            BindError::from_io(address, "find out which user this process runs as", error)
        })?;
        let names = Names::new(address, &own)
            .map_err(|reason| BindError::Unsupported { address: address.clone(), reason })?;
        let name = names.to_listen(&own, sys::is_administrator);
        let pipe = Address::named_pipe(name.as_str())?;
        let descriptor = options.descriptor.compile(&own).map_err(|source| BindError::InvalidOption {
            address: address.clone(),
            option: format!("the security descriptor {:?}", options.descriptor.to_sddl(&own)),
            source,
        })?;
        let access = options.access.look_up_names(SystemNames).await;
        let access = access.map_err(|error| BindError::unknown_name(address, error))?;
        let backlog = options.backlog as usize;
        let instances =
            Instances::create(address, &name, &own, descriptor, backlog, options.buffer_size).await?;
        Ok(Self { instances, admission: Admission::new(access), address: pipe, own: UserId::Sid(own.into()) })
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
            let next = next(&mut self.instances, &self.own);
            if let Some(stream) = self.admission.admit(next).await {
                return stream;
            }
        }
    }

    fn local_address(&self) -> &Address {
        &self.address
    }
}

/// The next client, which becomes a connection when it is known who it is.
async fn next(
    instances: &mut Instances,
    own: &UserId,
) -> impl Future<Output = Option<LocalStream>> + Send + use<> {
    let connected = instances.next().await;
    let own = own.clone();
    async move { Some(identify::client_of(connected, &own).await) }
}
