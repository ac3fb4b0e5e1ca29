//! Which names a package can have.

use std::path::Path;

use super::Files;
use crate::failure::Failure;

/// An address `local:NAME` has at most 64, and one template adds the number of a process.
const LONGEST: usize = 50;

/// Words of Rust, which no crate can be called.
const KEYWORDS: [&str; 50] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual",
    "where", "while",
];

/// Crates that every program has, and a directory of Cargo's.
const TAKEN: [&str; 9] =
    ["alloc", "build", "core", "deps", "incremental", "proc-macro", "std", "test", "yield"];

/// Files that Windows keeps for devices.
const DEVICES: [&str; 6] = ["aux", "con", "nul", "prn", "com1", "lpt1"];

/// The last part of a path. For `.`, it is the name of the current directory.
pub(super) fn of_directory(directory: &Path) -> Result<String, Failure> {
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    name(directory).or_else(|| name(&directory.canonicalize().ok()?)).ok_or_else(|| {
        Failure::wrong_input(format!(
            "the name of the package cannot be taken from the path {}",
            directory.display()
        ))
        .hint("Name the package with --name NAME.")
    })
}

/// Fails if no package made from these files can have this name.
pub(super) fn check(name: &str, files: Files) -> Result<(), Failure> {
    let problem = if let Some(other) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_".contains(*c))
    {
        Some(format!("it has the character {other:?}"))
    } else if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        Some("it does not begin with a letter".to_owned())
    } else if name.len() > LONGEST {
        Some(format!("it has more than {LONGEST} characters"))
    } else {
        let name = name.replace('_', "-");
        let depends = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| key == name);
        if KEYWORDS.contains(&name.as_str()) {
            Some("it is a keyword of Rust".to_owned())
        } else if TAKEN.contains(&name.as_str()) {
            Some("Rust or Cargo uses it".to_owned())
        } else if DEVICES.contains(&name.to_ascii_lowercase().as_str()) {
            Some("Windows uses it for a device".to_owned())
        } else if dependencies(files).any(depends) {
            Some("the program depends on a package of this name".to_owned())
        } else {
            None
        }
    };
    match problem {
        None => Ok(()),
        Some(problem) => Err(Failure::wrong_input(format!("a package cannot be called {name:?}: {problem}"))),
    }
}

/// The lines of the manifest that are about dependencies.
fn dependencies(files: Files) -> impl Iterator<Item = &'static str> {
    let manifest = files.iter().find(|(path, _)| *path == "Cargo.toml").map_or("", |(_, text)| text);
    manifest.lines().skip_while(|line| !line.contains("dependencies]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::new::files::SERVICE;

    fn refused(name: &str) -> String {
        check(name, SERVICE).map_or_else(|failure| failure.to_string(), |()| String::new())
    }

    #[test]
    fn names_of_packages() {
        for name in ["hello", "hello-grpc", "hello_grpc", "Hello2", "greeter", "server"] {
            assert_eq!(refused(name), "");
        }
        for (name, problem) in [
            ("", "does not begin with a letter"),
            ("2nd", "does not begin with a letter"),
            ("-x", "does not begin with a letter"),
            ("my.app", "the character '.'"),
            ("grüße", "the character 'ü'"),
            ("async", "a keyword"),
            ("test", "Rust or Cargo uses it"),
            ("proc_macro", "Rust or Cargo uses it"),
            ("NUL", "a device"),
            ("tokio", "depends on a package of this name"),
            ("grpc_ipc_build", "depends on a package of this name"),
        ] {
            assert!(refused(name).contains(problem), "{name}: {}", refused(name));
        }
        assert_eq!(refused(&"a".repeat(50)), "");
        assert!(refused(&"a".repeat(51)).contains("more than 50 characters"));
    }

    #[test]
    fn a_directory_has_a_name() {
        assert_eq!(of_directory(Path::new("a/hello/")).unwrap(), "hello");
        let here = std::env::current_dir().unwrap();
        assert_eq!(of_directory(Path::new(".")).unwrap(), here.file_name().unwrap().to_str().unwrap());
        assert!(of_directory(Path::new("/")).is_err());
    }
}
