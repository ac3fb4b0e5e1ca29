//! What the command writes and says. These tests build nothing.

use std::fs;

use crate::util::{checkout, files, grpc_ipc_new};

/// What the command says when it fails with an exit code.
fn failure(directory: &std::path::Path, arguments: &[&str], code: i32) -> String {
    let output = grpc_ipc_new(directory, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap().replace("\r\n", "\n")
}

#[test]
fn a_package_has_the_name_of_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let output = grpc_ipc_new(directory.path(), &["inside/my-greeter"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Created the package my-greeter"), "{said}");
    assert!(said.contains("cargo run --bin server"), "{said}");

    let files = files(&directory.path().join("inside/my-greeter"));
    let text = |path: &str| &files.iter().find(|(found, _)| found == path).expect(path).1;
    assert!(text("Cargo.toml").contains("name = \"my-greeter\""));
    assert!(text("src/bin/server.rs").contains("use my_greeter::"));
    assert!(text("src/bin/server.rs").contains("local:my-greeter"));
    assert!(!files.iter().any(|(_, text)| text.contains("{{")));
}

#[test]
fn a_directory_with_files_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let hello = directory.path().join("hello");
    fs::create_dir(&hello).unwrap();
    fs::write(hello.join("notes"), "mine").unwrap();
    let said = failure(directory.path(), &["hello"], 1);
    assert_eq!(said, "error: hello is not empty\nChoose another directory, or empty this one first.\n");
    let said = failure(&hello, &["."], 1);
    assert!(said.starts_with("error: . is not empty\n"), "{said}");
    assert_eq!(files(directory.path()), [("hello/notes".to_owned(), "mine".to_owned())]);
}

#[test]
fn an_empty_directory_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let hello = directory.path().join("hello");
    fs::create_dir(&hello).unwrap();
    let output = grpc_ipc_new(&hello, &["."]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.starts_with("Created the package hello:\n") && !said.contains("cd "), "{said}");
    assert!(files(&hello).iter().any(|(path, _)| path == "src/bin/server.rs"));
}

#[test]
fn a_name_that_cargo_refuses_is_refused_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let said = failure(directory.path(), &["my.app"], 2);
    assert!(
        said.starts_with("error: a package cannot be called \"my.app\": it has the character '.'\n"),
        "{said}"
    );
    assert!(fs::read_dir(directory.path()).unwrap().next().is_none());
    assert!(said.contains("add --name NAME"), "{said}");
    assert!(grpc_ipc_new(directory.path(), &["my.app", "--name", "my-app"]).status.success());
    let said = failure(directory.path(), &["app", "--name", "fn"], 2);
    assert_eq!(
        said,
        "error: a package cannot be called \"fn\": it is a keyword of Rust\nChoose another NAME.\n"
    );
}

#[test]
fn a_checkout_takes_the_place_of_published_crates() {
    let directory = tempfile::tempdir().unwrap();
    let checkout = checkout().to_str().unwrap();
    assert!(grpc_ipc_new(directory.path(), &["hello", "--grpc-ipc-path", checkout]).status.success());
    let manifest = fs::read_to_string(directory.path().join("hello/Cargo.toml")).unwrap();
    let (package, patch) = manifest.split_once("[patch.crates-io]\n").unwrap();
    assert!(package.contains("\ngrpc-ipc = \"0.1\"\n"));
    assert!(patch.contains("grpc-ipc-build = { path = "));

    let output = grpc_ipc_new(directory.path(), &["unpublished"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("not on crates.io yet"), "{said}");
    assert!(said.contains("add --grpc-ipc-path DIRECTORY"), "{said}");

    let said = failure(directory.path(), &["other", "--grpc-ipc-path", "hello"], 2);
    assert!(said.contains("hello is not a checkout of grpc-ipc\nIt has no "), "{said}");
}

#[test]
fn a_package_inside_of_a_workspace_has_to_be_a_member() {
    for workspace in ["[workspace] # all\nmembers = []\n", "[workspace.package]\nversion = \"1.0.0\"\n"] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("Cargo.toml"), workspace).unwrap();
        let said =
            |arguments: &[&str]| String::from_utf8(grpc_ipc_new(directory.path(), arguments).stdout).unwrap();
        let hello = said(&["inside/hello"]);
        assert!(hello.contains("add \"inside/hello\" to the `members`"), "{hello}");
        assert!(!hello.contains("[patch.crates-io]"), "{hello}");
        let patched = said(&["patched", "--grpc-ipc-path", checkout().to_str().unwrap()]);
        assert!(patched.contains("add \"patched\" to the `members`"), "{patched}");
        assert!(patched.contains("Move the section [patch.crates-io]"), "{patched}");
    }
}
