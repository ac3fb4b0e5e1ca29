//! The program with a display of its own, Xvfb: a call appears in the window, the button stops the server and starts it
//! again, and the program ends with its window.
//!
//! On Debian, `apt-get install xvfb libgl1-mesa-dri libegl1 libxkbcommon-x11-0 libxcursor1 libxi6` installs what it needs.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use greet::HelloRequest;
use greet::greeter_blocking_client::GreeterBlockingClient;
use grpc_ipc::ConnectOptions;
use grpc_ipc_conformance::{Watchdog, skip};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    AtomEnum, BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ClientMessageEvent, ConnectionExt as _, EventMask,
    ImageFormat, MOTION_NOTIFY_EVENT, Window,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

mod greet {
    grpc_ipc::include_proto!("greet");
}

const WIDTH: u16 = 760;
const HEIGHT: u16 = 420;
/// As in `src/window.rs`.
const RUNNING: [u8; 3] = [38, 162, 105];
const STOPPED: [u8; 3] = [119, 118, 123];

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// An X server, and the test's own connection to it.
struct Display {
    name: String,
    connection: RustConnection,
    root: Window,
    started: Instant,
    _server: Killed,
}

impl Display {
    fn start() -> Result<Option<Self>> {
        let mut xvfb = Command::new("Xvfb");
        xvfb.args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", &format!("{WIDTH}x{HEIGHT}x24")]);
        let Ok(server) = xvfb.stdout(Stdio::piped()).stderr(Stdio::null()).spawn() else { return Ok(None) };
        let mut server = Killed(server);
        let mut number = String::new();
        BufReader::new(server.0.stdout.take().ok_or("no output")?).read_line(&mut number)?;
        let name = format!(":{}", number.trim());
        let (connection, screen) = x11rb::connect(Some(&name))?;
        let root = connection.setup().roots[screen].root;
        Ok(Some(Self { name, connection, root, started: Instant::now(), _server: server }))
    }

    /// The window whose title begins with this. X tells of each change, but the toolkit draws a moment later; so all
    /// these ask until it is so.
    fn window(&self, title: &str) -> Result<Window> {
        loop {
            for window in self.connection.query_tree(self.root)?.reply()?.children {
                let name =
                    self.connection.get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64);
                // The window may be gone.
                if name?.reply().is_ok_and(|name| name.value.starts_with(title.as_bytes())) {
                    return Ok(window);
                }
            }
            self.pause()?;
        }
    }

    fn wait_for(&self, color: [u8; 3]) -> Result {
        let [red, green, blue] = color;
        loop {
            let image = self.connection.get_image(ImageFormat::Z_PIXMAP, self.root, 0, 0, WIDTH, HEIGHT, !0);
            if image?.reply()?.data.chunks(4).any(|pixel| pixel[..3] == [blue, green, red]) {
                return Ok(());
            }
            self.pause()?;
        }
    }

    fn click(&self, x: i16, y: i16) -> Result {
        for (event, button) in [(MOTION_NOTIFY_EVENT, 0), (BUTTON_PRESS_EVENT, 1), (BUTTON_RELEASE_EVENT, 1)]
        {
            self.connection.xtest_fake_input(event, button, 0, self.root, x, y, 0)?.check()?;
        }
        Ok(())
    }

    /// Gives up before the watchdog would, which could not end the other processes.
    fn pause(&self) -> Result {
        thread::sleep(Duration::from_millis(10));
        if self.started.elapsed() > Duration::from_secs(30) {
            return Err("the window does not show what it should".into());
        }
        Ok(())
    }

    /// As a window manager does.
    fn close(&self, window: Window) -> Result {
        let atom = |name: &str| {
            Ok::<_, Box<dyn Error>>(self.connection.intern_atom(false, name.as_bytes())?.reply()?.atom)
        };
        let data = [atom("WM_DELETE_WINDOW")?, 0, 0, 0, 0];
        let message = ClientMessageEvent::new(32, window, atom("WM_PROTOCOLS")?, data);
        self.connection.send_event(false, window, EventMask::NO_EVENT, message)?.check()?;
        Ok(())
    }
}

fn connect(address: &str) -> Result<GreeterBlockingClient> {
    Ok(GreeterBlockingClient::connect(ConnectOptions::new(address).wait(Duration::from_secs(30)))?)
}

#[test]
fn the_window_shows_calls_and_its_button_stops_the_server() -> Result {
    const TEST: &str = "the_window_shows_calls_and_its_button_stops_the_server";
    let _watchdog = Watchdog::start(TEST, Duration::from_secs(60));
    let Some(display) = Display::start()? else {
        skip(TEST, "Xvfb is missing; `apt-get install xvfb libgl1-mesa-dri` installs it");
        return Ok(());
    };
    let directory = tempfile::tempdir()?;
    let socket = directory.path().join("window.sock");
    let address = format!("unix:{}", socket.display());
    let mut program = Command::new(env!("CARGO_BIN_EXE_window"));
    program.arg(&address).env("DISPLAY", &display.name).env_remove("WAYLAND_DISPLAY");
    let mut program = Killed(program.spawn()?);

    let mut greeter = connect(&address)?;
    let reply = greeter.say_hello(HelloRequest { name: "Ada".to_owned() })?;
    assert_eq!(reply.into_inner().message, "Hello Ada");
    let window = display.window("Greeter (1)")?;
    display.wait_for(RUNNING)?;

    display.click(WIDTH as i16 - 30, 22)?;
    display.wait_for(STOPPED)?;
    assert!(!socket.exists(), "the server has stopped");
    display.click(WIDTH as i16 - 30, 22)?;
    let reply = connect(&address)?.say_hello(HelloRequest { name: "Grace".to_owned() })?;
    assert_eq!(reply.into_inner().message, "Hello Grace");
    display.window("Greeter (2)")?;

    display.close(window)?;
    assert!(program.0.wait()?.success());
    assert!(!socket.exists(), "nothing is left");
    Ok(())
}
