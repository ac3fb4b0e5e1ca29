//! A Windows service. It runs as SYSTEM and installs packages for the users that are logged in, who call it over a named
//! pipe that no other program can serve.
//!
//! In a console with administrator rights (`cmd`; in PowerShell it is `sc.exe`):
//!
//! ```text
//! > sc create updater start= auto binPath= "C:\path\to\updater.exe"
//! > sc start updater
//! ```
//!
//! In a console of any user:
//!
//! ```text
//! > updater call contoso
//! contoso: 10 %
//! ...
//! contoso: 100 %
//! ```
//!
//! `sc stop updater` lets an installation that has begun come to its end. `sc delete updater` removes the service.
//!
//! `updater --console` serves in the console, without Windows' service manager, until Enter is pressed.

#[cfg(windows)]
mod client;
#[cfg(windows)]
mod server;
#[cfg(windows)]
mod service;

#[cfg(windows)]
pub mod updater {
    grpc_ipc::tonic::include_proto!("updater");
}

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // The address may be given, for tests.
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--console"] => console(server::ADDRESS),
        ["--console", address] => console(address),
        ["call", package] => client::call(package, server::ADDRESS),
        ["call", package, address] => client::call(package, address),
        [] => Ok(service::start()?),
        _ => Err("usage: updater [--console [ADDRESS] | call PACKAGE [ADDRESS]]".into()),
    }
}

/// What the service does, without being one.
#[cfg(windows)]
fn console(address: &str) -> Result<(), Box<dyn std::error::Error>> {
    let server = server::server(address).spawn()?;
    println!("listening on {}; press Enter to stop", server.local_addresses()[0]);
    std::io::stdin().read_line(&mut String::new())?;
    server.shutdown(service::DRAIN)?;
    println!("stopped");
    Ok(())
}

#[cfg(not(windows))]
fn main() {
    eprintln!("this example is a service for Windows");
}
