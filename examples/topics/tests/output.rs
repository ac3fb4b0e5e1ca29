//! Each example prints what its first lines say.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use grpc_ipc_conformance::Watchdog;

/// Cargo builds the programs of a package before its tests, in the directory above.
fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap();
    let program = built.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "{} is missing; `cargo test -p topics` builds it", program.display());
    program
}

/// The second block of text in the first lines, after "prints".
fn documented(source: &str) -> String {
    let header = source.lines().map_while(|line| line.strip_prefix("//!"));
    let mut lines = header.skip_while(|line| !line.starts_with(" prints")).skip(1);
    assert!(lines.any(|line| line == " ```text"), "there is no output after \"prints\"");
    lines.take_while(|line| *line != " ```").map(|line| format!("{}\n", line.trim_start())).collect()
}

fn printed(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\r', "");
    assert!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn each_example_prints_what_it_says() {
    let _watchdog = Watchdog::start("each_example_prints_what_it_says", Duration::from_secs(120));
    // `local:` addresses lie in it.
    let runtime_dir = tempfile::tempdir().unwrap();
    // A copy of the package has none.
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).ok();
    let mut examples = 0;
    for entry in fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_example = path.extension().is_some_and(|extension| extension == "rs") && name != "build";
        // Ends when it is told to; the other tests run it.
        if !is_example || name == "console" {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap().replace('\r', "");
        let command = format!("//! cargo run -p topics --bin {name}\n");
        assert!(source.contains(&command), "{name}.rs does not say {command}");
        let is_listed = readme.as_ref().is_none_or(|readme| readme.contains(&format!("(topics/{name}.rs)")));
        assert!(is_listed, "examples/README.md does not list {name}.rs");
        let output = Command::new(program(name)).env("XDG_RUNTIME_DIR", runtime_dir.path()).output();
        assert_eq!(printed(&output.unwrap()), documented(&source), "{name}.rs");
        examples += 1;
    }
    assert_eq!(examples, 12);
}

/// The programs in Python and JavaScript call the one that runs in a console.
#[cfg(unix)]
mod console {
    use std::io::{BufRead as _, BufReader};
    use std::path::Path;
    use std::process::{Child, ChildStdout, Stdio};

    use grpc_ipc_conformance::skip;

    use super::*;

    struct Console {
        process: Child,
        lines: std::io::Lines<BufReader<ChildStdout>>,
    }

    impl Console {
        fn start(address: &str) -> Self {
            let mut command = Command::new(program("console"));
            let mut process = command.arg(address).stdout(Stdio::piped()).spawn().unwrap();
            let lines = BufReader::new(process.stdout.take().unwrap()).lines();
            let mut console = Self { process, lines };
            assert_eq!(console.line(), format!("listening on {address}"));
            console
        }

        fn line(&mut self) -> String {
            self.lines.next().expect("one more line").unwrap()
        }

        fn stop(mut self) {
            let pid = self.process.id().to_string();
            assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
            assert_eq!(self.line(), "stopped");
            assert!(self.process.wait().unwrap().success());
        }
    }

    impl Drop for Console {
        fn drop(&mut self) {
            _ = self.process.kill();
            _ = self.process.wait();
        }
    }

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
    }

    fn called_by(test: &str, installed: &str, client: impl Fn(&Path) -> Command) {
        let _watchdog = Watchdog::start(test, Duration::from_secs(60));
        let installed = file("../../target/peers").join(installed);
        if !installed.exists() {
            skip(test, &format!("{} is missing; run `cargo xtask setup`", installed.display()));
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let address = format!("unix:{}", directory.path().join("topics.sock").display());
        let mut console = Console::start(&address);
        let output = client(&installed).args([&address, "Ada"]).output().unwrap();
        assert_eq!(printed(&output), "Hello Ada\n");
        let line = console.line();
        assert!(line.starts_with("unix:uid=") && line.ends_with(": Hello Ada"), "{line}");
        console.stop();
    }

    #[test]
    fn is_called_from_python() {
        called_by("is_called_from_python", "python/bin/python", |python| {
            let mut command = Command::new(python);
            command.arg(file("greet.py"));
            command
        });
    }

    #[test]
    fn is_called_from_node() {
        called_by("is_called_from_node", "node/node_modules", |modules| {
            let mut command = Command::new("node");
            command.arg(file("greet.js")).env("NODE_PATH", modules);
            command
        });
    }
}
