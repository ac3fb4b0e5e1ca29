//! The command line starts the daemon, uses it, and ends it.

use std::process::{Command, Output};

fn notes(address: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_notes"))
        .args(["--address", address])
        .args(arguments)
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn notes_are_kept_by_a_daemon_that_starts_when_it_is_needed() {
    let directory = tempfile::tempdir().unwrap();
    let address = match cfg!(windows) {
        true => format!("npipe:notes-{}", std::process::id()),
        false => format!("unix:{}", directory.path().join("notes.sock").display()),
    };
    let nobody = notes(&address, &["status"]);
    assert_eq!(nobody.status.code(), Some(1), "there is no daemon yet");
    let said = String::from_utf8_lossy(&nobody.stderr);
    assert!(said.starts_with("Error: cannot connect to "), "{said}");

    assert_eq!(
        printed(&notes(&address, &["add", "buy milk"])).trim(),
        "note 1"
    );
    assert_eq!(
        printed(&notes(&address, &["add", "write tests"])).trim(),
        "note 2"
    );
    let list = printed(&notes(&address, &["list"]));
    assert_eq!(
        list.lines().collect::<Vec<_>>(),
        ["buy milk", "write tests"]
    );
    assert!(
        printed(&notes(&address, &["status"]))
            .starts_with(concat!("notesd ", env!("CARGO_PKG_VERSION")))
    );

    printed(&notes(&address, &["stop"]));
    // The next daemon starts without notes, once the old one has ended.
    assert_eq!(
        printed(&notes(&address, &["add", "buy bread"])).trim(),
        "note 1"
    );
    printed(&notes(&address, &["stop"]));
}
