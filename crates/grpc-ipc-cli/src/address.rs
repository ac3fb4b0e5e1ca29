//! Addresses as arguments.

use clap::builder::{OsStringValueParser, TypedValueParser};
use grpc_ipc::Address;

/// Takes every form of [`Address`], also paths that are not Unicode.
pub(crate) fn parser() -> impl TypedValueParser<Value = Address> {
    OsStringValueParser::new().try_map(Address::parse)
}

/// For `--help`.
pub(crate) fn long_help() -> &'static str {
    r"The server's address: local:NAME, unix:PATH, unix-abstract:NAME, npipe:NAME, \\.\pipe\NAME or http://HOST:PORT"
}
