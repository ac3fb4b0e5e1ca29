//! The quick start, followed to the letter, except that its server has an address of its own.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use grpc_ipc::{Channel, ConnectOptions};

use crate::util::{Workshop, checkout, files, grpc_ipc_new, succeed};

/// Where its server listens.
const ADDRESS: &str = "local:hello-grpc";

/// The part of the README.
struct QuickStart {
    /// Each block of code, by the file that the text before it names first. Of a manifest there are several parts.
    blocks: BTreeMap<String, Vec<String>>,
    /// The lines that are commands.
    commands: Vec<String>,
}

impl QuickStart {
    fn read() -> Self {
        let readme = fs::read_to_string(checkout().join("README.md")).unwrap().replace("\r\n", "\n");
        let (_, section) = readme.split_once("\n## Quick start\n").unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let mut blocks = BTreeMap::<_, Vec<_>>::new();
        let mut parts = section.split("```");
        let mut prose = parts.next().unwrap();
        while let (Some(block), Some(after)) = (parts.next(), parts.next()) {
            let before = prose.trim_end().rsplit("\n\n").next().unwrap();
            let name = before.split('`').nth(1).expect("the name of the file before a block").to_owned();
            let (_, code) = block.split_once('\n').unwrap();
            blocks.entry(name).or_default().push(code.to_owned());
            prose = after;
        }
        let indented = section.lines().filter_map(|line| line.strip_prefix("    "));
        // Other indented lines are Rust, in blocks.
        let commands = indented
            .filter(|line| line.starts_with("cargo ") || line.starts_with("grpc-ipc "))
            .map(str::to_owned)
            .collect();
        Self { blocks, commands }
    }

    /// The words of the only command that begins like this, without the program.
    fn command(&self, start: &str) -> Vec<&str> {
        let found: Vec<_> = self.commands.iter().filter(|line| line.starts_with(start)).collect();
        assert_eq!(found.len(), 1, "{start}: {found:?}");
        found[0].split_whitespace().skip(1).collect()
    }
}

/// A server, which does not outlive the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn a_new_package_becomes_a_server_and_a_client() {
    let Some(workshop) = Workshop::new("a_new_package_becomes_a_server_and_a_client") else { return };
    let quick_start = QuickStart::read();
    let address = address();
    let created = tempfile::tempdir().unwrap();
    let package = created.path().join("hello-grpc");
    succeed(workshop.cargo(created.path()).args(quick_start.command("cargo new")).arg("--quiet"));
    for (name, blocks) in &quick_start.blocks {
        let path = package.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if name == "Cargo.toml" {
            let [dependencies, patch] = &blocks[..] else { panic!("{blocks:?}") };
            let mut manifest = fs::read_to_string(&path).unwrap().replace("[dependencies]\n", dependencies);
            assert!(patch.contains("\"../grpc-ipc/crates/"), "{patch}");
            let checkout = checkout().to_str().unwrap().replace('\\', "/");
            manifest += &patch.replace("../grpc-ipc/", &format!("{checkout}/"));
            fs::write(path, manifest).unwrap();
        } else {
            assert_eq!(blocks.len(), 1, "{name}");
            fs::write(path, blocks[0].replace(ADDRESS, &address)).unwrap();
        }
    }
    let package = workshop.bring_in(&package);

    succeed(workshop.cargo(&package).args(["build", "--quiet"]));
    let run = |start| {
        let mut command = workshop.cargo(&package);
        command.args(quick_start.command(start));
        command
    };
    let nobody = run("cargo run --bin client").output().unwrap();
    // Nothing is there, or the socket of the last test's server, which was killed.
    assert_failed(&nobody, &format!("Error: cannot connect to {address}: no"));

    let mut server = run("cargo run --bin server");
    let mut server = Server(server.stderr(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
    wait_for(&address);
    let mut line = String::new();
    BufReader::new(server.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), format!("listening on {address}"));
    let answer = run("cargo run --bin client").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "Hello Ada", "{answer:?}");

    let second = run("cargo run --bin server").output().unwrap();
    assert_failed(&second, &format!("Error: {address} is already in use"));
    assert!(server.0.try_wait().unwrap().is_none());
}

/// The program ended with exit code 1 and this message. Lines of Cargo precede it, and a backtrace may follow.
fn assert_failed(output: &Output, message: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.lines().any(|line| line.starts_with(message)), "{message}\n{said}");
}

/// The commands of the README are run in the directory that has the clone.
#[test]
fn the_commands_that_use_a_template_fit_their_directory() {
    let quick_start = QuickStart::read();
    let install = quick_start.command("cargo install --path");
    let path = install.last().unwrap().strip_prefix("grpc-ipc/").expect("the clone");
    assert_eq!(checkout().join(path), Path::new(env!("CARGO_MANIFEST_DIR")));

    let directory = tempfile::tempdir().unwrap();
    for krate in ["grpc-ipc", "grpc-ipc-build"] {
        let path = directory.path().join("grpc-ipc/crates").join(krate);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("Cargo.toml"), "").unwrap();
    }
    // The package of the quick start.
    fs::create_dir(directory.path().join("hello-grpc")).unwrap();
    let output = grpc_ipc_new(directory.path(), &quick_start.command("grpc-ipc new")[1..]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The address of this checkout's server.
fn address() -> String {
    let mut hasher = DefaultHasher::new();
    checkout().hash(&mut hasher);
    format!("{ADDRESS}-{:x}", hasher.finish())
}

/// Until somebody serves at `address`.
fn wait_for(address: &str) {
    let options = ConnectOptions::new(address).wait(Duration::from_secs(60));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { Channel::connect(options).await.map(drop) }).unwrap();
}

/// The template adds tests, and nothing that the README does not show.
#[test]
fn it_is_the_template_of_a_service() {
    let directory = tempfile::tempdir().unwrap();
    assert!(grpc_ipc_new(directory.path(), &["hello-grpc"]).status.success());
    let mut blocks = QuickStart::read().blocks;
    for (path, text) in files(&directory.path().join("hello-grpc")) {
        match path.as_str() {
            ".gitignore" | "tests/greeter.rs" => {}
            "Cargo.toml" => {
                let (_, dependencies) = text.split_once("\n\n").unwrap();
                assert_eq!(blocks.remove("Cargo.toml").unwrap()[0], dependencies);
            }
            _ => assert_eq!(blocks.remove(&path).expect(&path), [text], "{path}"),
        }
    }
    assert!(blocks.is_empty(), "{blocks:?}");
}
