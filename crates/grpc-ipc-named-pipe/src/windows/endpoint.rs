use grpc_ipc_core::Address;

/// The pipe that an [`Address`] of this backend names: the name without `\\.\pipe\`, or why it has none.
///
/// `local:NAME` has the SID of the user in it, because all users share the names of pipes.
pub(super) fn pipe_name(address: &Address, own: &str) -> Result<String, String> {
    match address {
        Address::NamedPipe { name, .. } => Ok(name.clone()),
        Address::Local { name, .. } => Ok(format!("grpc-ipc-{own}-{name}")),
        _ => Err("this is no address of a named pipe".to_owned()),
    }
}

/// What Win32 calls the pipe. Only pipes of this machine can be named so.
pub(super) fn path(name: &str) -> String {
    format!(r"\\.\pipe\{name}")
}
