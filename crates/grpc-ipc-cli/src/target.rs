//! `[ADDRESS] [NAME]`, of commands that need no server if a file has the schema.

use std::ffi::OsString;

use clap::Args;
use grpc_ipc::Address;

use crate::address;
use crate::failure::Failure;
use crate::schema::SchemaArguments;

#[derive(Args)]
pub(crate) struct Target {
    /// The server's address. It can be left out if a file has the schema
    #[arg(value_name = "ADDRESS", long_help = address::long_help())]
    address: Option<OsString>,
    /// The full name of a service, method, message or enumeration
    #[arg(value_name = "NAME")]
    symbol: Option<String>,
}

impl Target {
    /// The address and the name. With a schema from files, the only argument may be the name.
    pub(crate) fn split(
        self,
        schema: &SchemaArguments,
    ) -> Result<(Option<Address>, Option<String>), Failure> {
        let Self { address, symbol } = self;
        let Some(given) = address else { return Ok((None, symbol)) };
        match (address::parse(&given), symbol) {
            (Ok(address), symbol) => Ok((Some(address), symbol)),
            (Err(_), None) if schema.is_of_files() => Ok((None, Some(given.to_string_lossy().into_owned()))),
            (Err(error), _) => Err(Failure::wrong_input(error)),
        }
    }
}
