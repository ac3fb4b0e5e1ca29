//! The services and messages of a server: from files, or from the server itself.

mod check;
mod files;
mod find;
mod messages;
mod pool;
mod reflection;

use std::path::PathBuf;

use clap::Args;
use grpc_ipc::{Address, Channel};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};

use crate::connection::ConnectionArguments;
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::metadata::MetadataArguments;

pub(crate) use find::Symbol;
use reflection::Reflection;

/// A server that is silent.
pub(crate) const NO_SCHEMA: &str = "the server has not sent its schema";

/// Options for the schema.
#[derive(Args)]
#[command(next_help_heading = "Schema (by default, the server is asked for it)")]
pub(crate) struct SchemaArguments {
    /// Takes the schema from a .proto file
    #[arg(long = "proto", value_name = "FILE")]
    protos: Vec<PathBuf>,
    /// Looks for imports, and for the files of --proto, in this directory [default: those of the files]
    #[arg(short = 'I', long = "import-path", value_name = "DIRECTORY", requires = "protos")]
    import_paths: Vec<PathBuf>,
    /// Takes the schema from a file with a descriptor set, as `protoc --include_imports --descriptor_set_out` and
    /// grpc-ipc-build write it
    #[arg(
        long = "protoset",
        value_name = "FILE",
        visible_alias = "descriptor-set",
        conflicts_with = "protos"
    )]
    descriptor_sets: Vec<PathBuf>,
}

/// Where the schema comes from.
pub(crate) enum Schema {
    Files(DescriptorPool),
    Server(Box<Reflection>),
}

impl SchemaArguments {
    /// Whether files have the schema.
    pub(crate) fn is_of_files(&self) -> bool {
        !self.protos.is_empty() || !self.descriptor_sets.is_empty()
    }

    /// The schema of the files, if any is named.
    pub(crate) fn files(&self) -> Result<Option<Schema>, Failure> {
        let pool = match (self.protos.is_empty(), self.descriptor_sets.is_empty()) {
            (true, true) => return Ok(None),
            (false, _) => files::compile(&self.protos, &self.import_paths)?,
            (true, false) => files::read(&self.descriptor_sets)?,
        };
        Ok(Some(Schema::Files(pool)))
    }

    /// The schema of the files, or of the server at `address`.
    pub(crate) async fn load(
        &self,
        address: Option<&Address>,
        connection: &ConnectionArguments,
        metadata: &MetadataArguments,
        deadline: Deadline,
    ) -> Result<Schema, Failure> {
        if let Some(schema) = self.files()? {
            return Ok(schema);
        }
        let address = address.ok_or_else(|| {
            Failure::wrong_input("there is no address, and no file with a schema")
                .hint("Name the server's address, or a file: --proto FILE")
        })?;
        let channel = connection.connect(address, deadline).await?;
        Schema::of_server(channel, metadata).await
    }
}

impl Schema {
    /// The schema that the server of `channel` tells.
    pub(crate) async fn of_server(channel: Channel, metadata: &MetadataArguments) -> Result<Self, Failure> {
        Ok(Self::Server(Box::new(Reflection::open(channel, metadata.of_reflection()?).await?)))
    }

    /// The full names of all services, sorted.
    pub(crate) async fn services(&mut self) -> Result<Vec<String>, Failure> {
        let mut services = match self {
            Self::Files(pool) => pool.services().map(|service| service.full_name().to_owned()).collect(),
            Self::Server(reflection) => reflection.services(),
        };
        services.sort();
        services.dedup();
        Ok(services)
    }

    /// The service, method, message or enumeration called `name`.
    pub(crate) async fn find(&mut self, name: &str) -> Result<Symbol, Failure> {
        let name = name.strip_prefix(['.', '/']).unwrap_or(name);
        if let Some(symbol) = self.look_up(name).await? {
            return Ok(symbol);
        }
        let services = self.services().await?;
        // Those of a service whose name was right have been found; these are for one that was misspelled.
        let mut known = services.clone();
        for service in &services {
            if let Some(Symbol::Service(service)) = self.look_up(service).await? {
                known.extend(service.methods().map(|method| find::path(&method)));
            }
        }
        known.extend(self.pool().all_messages().map(|message| message.full_name().to_owned()));
        known.extend(self.pool().all_enums().map(|known| known.full_name().to_owned()));
        Err(find::unknown(name, self.is_of_server(), &known, &services))
    }

    /// The method called `name`: `package.Service/Method`, or with a dot, or with a slash in front as in a path.
    pub(crate) async fn method(&mut self, name: &str) -> Result<MethodDescriptor, Failure> {
        match self.find(name).await? {
            Symbol::Method(method) => Ok(method),
            symbol => Err(find::no_method(name, &symbol)),
        }
    }

    /// The message called `name`, if there is one.
    pub(crate) async fn message(&mut self, name: &str) -> Option<MessageDescriptor> {
        match self.look_up(name).await {
            Ok(Some(Symbol::Message(message))) => Some(message),
            _ => None,
        }
    }

    /// The thing called `name`. Some servers do not find methods by their names, so their services are asked for, too.
    async fn look_up(&mut self, name: &str) -> Result<Option<Symbol>, Failure> {
        if let Self::Server(reflection) = self {
            let symbol = name.split_once('/').map_or(name, |(service, _)| service);
            reflection.load(symbol).await?;
            if find::in_pool(reflection.pool(), name).is_none()
                && let Some((service, _)) = name.rsplit_once('.')
                && reflection.has_service(service)
            {
                reflection.load(service).await?;
            }
        }
        Ok(find::in_pool(self.pool(), name))
    }

    fn pool(&self) -> &DescriptorPool {
        match self {
            Self::Files(pool) => pool,
            Self::Server(reflection) => reflection.pool(),
        }
    }

    fn pool_mut(&mut self) -> &mut DescriptorPool {
        match self {
            Self::Files(pool) => pool,
            Self::Server(reflection) => reflection.pool_mut(),
        }
    }

    /// Whether it comes from the server itself.
    pub(crate) fn is_of_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// The message with the types that are inside of each `google.protobuf.Any` of it.
    pub(crate) async fn complete(&mut self, message: DynamicMessage) -> Result<DynamicMessage, Failure> {
        pool::complete(self, message).await
    }
}
