//! The plug-in host calls its plug-in over standard input and output.

mod util;

use std::process::Command;

use util::{succeed, watch};

#[test]
fn the_host_calls_its_plugin() {
    let _watchdog = watch("the_host_calls_its_plugin");
    let printed = succeed(&mut Command::new(env!("CARGO_BIN_EXE_custom_transport")));
    assert!(printed.starts_with("Hello host, says the plug-in (answered by stdio:user=?,pid="), "{printed}");
}
