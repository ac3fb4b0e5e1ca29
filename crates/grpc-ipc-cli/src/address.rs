//! Addresses as arguments.

use std::ffi::OsStr;

use clap::builder::{OsStringValueParser, TypedValueParser};
use grpc_ipc::Address;

/// Takes every form of [`Address`], also paths that are not Unicode.
pub(crate) fn parser() -> impl TypedValueParser<Value = Address> {
    OsStringValueParser::new().try_map(|text| parse(&text))
}

/// Parses an address. The error says what is wrong with it.
pub(crate) fn parse(text: &OsStr) -> Result<Address, String> {
    Address::parse(text).map_err(|error| {
        let hint = match text.to_string_lossy().starts_with("https://") {
            true => "\nFor a server that speaks TLS: --cacert FILE",
            false => "",
        };
        format!("{error}{hint}")
    })
}

/// The hint for a path that begins with `~`. The shell does not expand it after `unix:`.
pub(crate) fn tilde_hint(address: &Address) -> Option<&'static str> {
    let Address::Unix { path, .. } = address else { return None };
    path.starts_with("~").then_some("The shell does not expand ~ inside of an address. Write unix:$HOME/…")
}

/// For `--help`.
pub(crate) fn long_help() -> &'static str {
    r"The server's address: local:NAME, unix:PATH, unix-abstract:NAME, npipe:NAME, \\.\pipe\NAME or http://HOST:PORT"
}
