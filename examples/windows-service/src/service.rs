//! Makes the server a Windows service: the service manager starts it, receives its state, and stops it.

use std::error::Error;
use std::ffi::OsString;
use std::sync::mpsc;
use std::time::Duration;

use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult};
use windows_service::{define_windows_service, service_dispatcher};

use crate::server;

/// The only service of a process needs no name, because Windows knows which one it has started.
const NAME: &str = "";

/// How long running calls may take when the service is stopped.
pub const DRAIN: Duration = Duration::from_secs(20);
/// The same when Windows shuts down. It ends services after 5 seconds (`WaitToKillServiceTimeout`), and the end of the
/// server takes some of them.
const DRAIN_AT_SHUTDOWN: Duration = Duration::from_secs(2);
/// How long the end of the server may take after the drain.
const AFTER_DRAIN: Duration = Duration::from_secs(3);

/// Returns when the service has stopped.
pub fn start() -> windows_service::Result<()> {
    service_dispatcher::start(NAME, service_main)
}

define_windows_service!(service_main, run);

/// A service has no console. A real program would write the error to the event log.
fn run(arguments: Vec<OsString>) {
    // The first argument is the name of the service. The others come from the program that starts it.
    let address = arguments.get(1).and_then(|address| address.to_str()).unwrap_or(server::ADDRESS);
    _ = serve(address);
}

fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let (stop, stopped) = mpsc::channel();
    // Windows calls this on the dispatcher's thread, and waits, so it must return at once.
    let status = service_control_handler::register(NAME, move |control| {
        match control {
            ServiceControl::Stop => _ = stop.send(DRAIN),
            ServiceControl::Shutdown => _ = stop.send(DRAIN_AT_SHUTDOWN),
            // Windows reports the last known state.
            ServiceControl::Interrogate => {}
            // The service continues when users log on and off. For the same reason, it does not use
            // `grpc_ipc::shutdown_signal`, which completes when a user logs off.
            ServiceControl::SessionChange(_) => {}
            _ => return ServiceControlHandlerResult::NotImplemented,
        }
        ServiceControlHandlerResult::NoError
    })?;
    let tell = |current_state, controls_accepted, exit_code, wait_hint| {
        status.set_service_status(ServiceStatus {
            service_type: ServiceType::OWN_PROCESS,
            current_state,
            controls_accepted,
            exit_code: ServiceExitCode::Win32(exit_code),
            checkpoint: 0,
            wait_hint,
            process_id: None,
        })
    };
    let none = ServiceControlAccept::empty();

    tell(ServiceState::StartPending, none, 0, Duration::from_secs(5))?;
    let server = match server::server(address).spawn() {
        Ok(server) => server,
        Err(error) => {
            const ERROR_EXCEPTION_IN_SERVICE: u32 = 1064;
            tell(ServiceState::Stopped, none, ERROR_EXCEPTION_IN_SERVICE, Duration::ZERO)?;
            return Err(error.into());
        }
    };
    // Clients can connect now, so programs that depend on this service can start.
    let accepted = ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN;
    tell(ServiceState::Running, accepted, 0, Duration::ZERO)?;

    let drain = stopped.recv()?;
    tell(ServiceState::StopPending, none, 0, drain + AFTER_DRAIN)?;
    let ended = server.shutdown(drain);
    tell(ServiceState::Stopped, none, 0, Duration::ZERO)?;
    Ok(ended?)
}
