//! A Windows service that runs as SYSTEM and installs packages for the logged-in users. They call it over a named pipe
//! whose name no other program can take.
//!
//! Install and start it in a console with administrator rights (`cmd`; in PowerShell it is `sc.exe`):
//!
//! ```text
//! > sc create updater start= auto binPath= "C:\path\to\updater.exe"
//! > sc start updater
//! ```
//!
//! Call it as any user:
//!
//! ```text
//! > updater call contoso
//! contoso: 10 %
//! ...
//! contoso: 100 %
//! ```
//!
//! `sc stop updater` stops it when the running installations have ended, and `sc delete updater` removes it.
//!
//! `updater --console` serves in the console instead, until you press Enter. It needs administrator rights for the
//! protected name; `updater --console npipe:test` and `updater call contoso npipe:test` do without.

#[cfg(windows)]
mod server;
#[cfg(windows)]
mod service;

#[cfg(windows)]
pub mod updater {
    grpc_ipc::include_proto!("updater");
}

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--console"] => console(server::ADDRESS),
        ["--console", address] => console(address),
        ["call", package] => call(package, server::ADDRESS),
        ["call", package, address] => call(package, address),
        [] => Ok(service::start()?),
        _ => Err("usage: updater [--console [ADDRESS] | call PACKAGE [ADDRESS]]".into()),
    }
}

/// Serves in the console, without Windows' service manager.
#[cfg(windows)]
fn console(address: &str) -> Result<(), Box<dyn std::error::Error>> {
    let server = server::server(address).spawn()?;
    println!("listening on {}; press Enter to stop", server.local_addresses()[0]);
    std::io::stdin().read_line(&mut String::new())?;
    server.shutdown(service::DRAIN)?;
    println!("stopped");
    Ok(())
}

/// By default, the client talks only to a server of the system or of its own user.
#[cfg(windows)]
fn call(package: &str, address: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut updater = updater::updater_blocking_client::UpdaterBlockingClient::connect(address)?;
    let package = updater::Package { name: package.to_owned() };
    for progress in updater.install(package.clone())?.into_inner() {
        println!("{}: {} %", package.name, progress?.percent);
    }
    Ok(())
}

#[cfg(not(windows))]
fn main() {
    eprintln!("this example is a service for Windows");
}
