//! The program serves in a console and as a service, and lets running calls finish.

#![cfg(windows)]

use std::error::Error;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use grpc_ipc_conformance::Watchdog;
use windows_service::service::{
    Service, ServiceAccess, ServiceErrorControl, ServiceInfo, ServiceStartType, ServiceState, ServiceType,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

const PROGRAM: &str = env!("CARGO_BIN_EXE_updater");
const LIMIT: Duration = Duration::from_secs(60);

fn address(of: &str) -> String {
    format!("npipe:updater-{of}-{}", std::process::id())
}

/// A client with a running call.
struct Caller {
    process: Killed,
    output: BufReader<ChildStdout>,
}

impl Caller {
    fn start(address: &str) -> Self {
        let mut client = Command::new(PROGRAM);
        let mut process =
            Killed(client.args(["call", "contoso", address]).stdout(Stdio::piped()).spawn().unwrap());
        let mut caller = Self { output: BufReader::new(process.0.stdout.take().unwrap()), process };
        assert_eq!(caller.line(), "contoso: 10 %");
        caller
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn comes_to_its_end(mut self) {
        for percent in 2..=10 {
            assert_eq!(self.line(), format!("contoso: {}0 %", percent));
        }
        assert!(self.process.0.wait().unwrap().success());
    }
}

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        _ = self.0.kill();
    }
}

#[test]
fn in_a_console_it_serves_until_enter() {
    let _watchdog = Watchdog::start("in_a_console_it_serves_until_enter", LIMIT);
    let address = address("console");
    let mut console = Command::new(PROGRAM);
    console.args(["--console", &address]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut console = Killed(console.spawn().unwrap());
    let mut output = BufReader::new(console.0.stdout.take().unwrap()).lines();
    assert_eq!(output.next().unwrap().unwrap(), format!("listening on {address}; press Enter to stop"));
    let caller = Caller::start(&address);
    console.0.stdin.take().unwrap().write_all(b"\r\n").unwrap();
    caller.comes_to_its_end();
    assert_eq!(output.next().unwrap().unwrap(), "stopped");
    assert!(console.0.wait().unwrap().success());
}

/// A service that is deleted with its test.
struct Installed(Service);

impl Drop for Installed {
    fn drop(&mut self) {
        _ = self.0.stop();
        _ = self.0.delete();
    }
}

fn install() -> windows_service::Result<Installed> {
    let manager = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CREATE_SERVICE)?;
    let name = OsString::from(format!("updater-test-{}", std::process::id()));
    let info = ServiceInfo {
        display_name: name.clone(),
        name,
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::OnDemand,
        error_control: ServiceErrorControl::Normal,
        executable_path: PROGRAM.into(),
        launch_arguments: Vec::new(),
        dependencies: Vec::new(),
        account_name: None,
        account_password: None,
    };
    manager.create_service(&info, ServiceAccess::ALL_ACCESS).map(Installed)
}

fn wait_for(service: &Service, state: ServiceState) {
    while service.query_status().unwrap().current_state != state {
        // The service manager has no callbacks, so this polls.
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn as_a_service_it_drains_when_it_is_stopped() -> Result<(), Box<dyn Error>> {
    let _watchdog = Watchdog::start("as_a_service_it_drains_when_it_is_stopped", LIMIT);
    let service = match install() {
        Ok(service) => service,
        Err(error) => {
            eprintln!("skipped: no service can be installed here, which takes an administrator: {error}");
            return Ok(());
        }
    };
    let service = &service.0;
    let address = address("service");
    service.start(&[&address])?;
    wait_for(service, ServiceState::Running);
    let caller = Caller::start(&address);
    let status = service.stop()?;
    assert!(matches!(status.current_state, ServiceState::Running | ServiceState::StopPending), "{status:?}");
    caller.comes_to_its_end();
    wait_for(service, ServiceState::Stopped);
    Ok(())
}
