//! The host prints what its documentation shows.

#![cfg(unix)]

use std::process::Command;

#[test]
fn plug_ins_are_called_call_back_and_end() {
    let output = Command::new(env!("CARGO_BIN_EXE_host")).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let expected = "plug-in 1: bonjour Ada\nplug-in 2: bonjour Ada\n\
                    plug-in 1 has ended: exit status: 0\nplug-in 2 has ended: exit status: 0\n";
    assert_eq!(printed, expected);
}
