//! `cargo xtask templates`: the templates of `grpc-ipc new`, made from packages in `examples`.
//!
//! They are copies, because Cargo does not publish a package that is inside of another one. For the same reason, the copy
//! of a manifest is called `Cargo.toml.liquid`; `cargo generate` drops that extension, as `grpc-ipc new` does.

use std::collections::BTreeMap;
use std::fs;

use crate::Result;
use crate::workspace::{all_files, read, root};

/// The name of each template, and the example that it is made from.
const TEMPLATES: [(&str, &str); 4] = [
    ("service", "hello-grpc"),
    ("daemon", "daemon"),
    ("desktop", "desktop-helper"),
    ("plugin", "plugin-host"),
];
const DIRECTORY: &str = "crates/grpc-ipc-cli/templates";
/// The code in which the command names the files of each template.
const LIST: &str = "crates/grpc-ipc-cli/src/new/files.rs";

/// Text by path, both of a template or from the root of the workspace.
type Files = BTreeMap<String, String>;

/// Writes the templates.
pub(crate) fn run() -> Result {
    let wanted = wanted()?;
    for path in outdated()? {
        match wanted.get(&path) {
            Some(text) => {
                let path = root().join(&path);
                fs::create_dir_all(path.parent().unwrap_or(root()))?;
                fs::write(path, text)?;
            }
            None => fs::remove_file(root().join(&path))?,
        }
        println!("{path}");
    }
    Ok(())
}

/// The files that [`run`] would change.
pub(crate) fn outdated() -> Result<Vec<String>> {
    let wanted = wanted()?;
    let mut present = walk(DIRECTORY)?;
    present.retain(|path| !wanted.contains_key(path));
    let differs = |(path, text): &(&String, &String)| read(path).ok().as_ref() != Some(*text);
    present.extend(wanted.iter().filter(differs).map(|(path, _)| path.clone()));
    Ok(present)
}

fn wanted() -> Result<Files> {
    let mut wanted = Files::new();
    let names = TEMPLATES.map(|(template, _)| format!("\"{template}\"")).join(", ");
    let config = format!("# Written by `cargo xtask templates`.\n[template]\nsub_templates = [{names}]\n");
    wanted.insert(format!("{DIRECTORY}/cargo-generate.toml"), config);

    let mut list = String::from(
        "//! The files of the templates: path and text. Written by `cargo xtask templates`.\n\n\
         pub(super) type Files = &'static [(&'static str, &'static str)];\n",
    );
    for (template, example) in TEMPLATES {
        list += &format!("\npub(super) const {}: Files = &[\n", template.to_uppercase());
        for (path, text) in from_example(example)? {
            let stored = if path == "Cargo.toml" { "Cargo.toml.liquid" } else { &path };
            list += &format!("    (\"{path}\", include_str!(\"../../templates/{template}/{stored}\")),\n");
            wanted.insert(format!("{DIRECTORY}/{template}/{stored}"), text);
        }
        list += "];\n";
    }
    wanted.insert(LIST.to_owned(), list);
    Ok(wanted)
}

/// The files of a template.
fn from_example(example: &str) -> Result<Files> {
    let directory = format!("examples/{example}");
    let manifest = read(format!("{directory}/Cargo.toml"))?;
    let name = manifest.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let name = name.ok_or_else(|| format!("{directory}/Cargo.toml has no name"))?;
    let mut made = Files::from([(".gitignore".to_owned(), "/target\n".to_owned())]);
    for path in walk(&directory)? {
        let relative = path.strip_prefix(&format!("{directory}/")).unwrap_or(&path);
        if relative == "rustfmt.toml" {
            // It is there only because this repository has rules of its own. A template is formatted by the default rules.
            continue;
        }
        let text = read(&path)?;
        let text = if relative == "Cargo.toml" { published(&text)? } else { text };
        if text.contains("{{") || text.contains("{%") {
            return Err(format!("{path} has {{{{ or {{%, which begins a placeholder in a template").into());
        }
        let text = text.replace(name, "{{project-name}}").replace(&name.replace('-', "_"), "{{crate_name}}");
        made.insert(relative.to_owned(), text);
    }
    Ok(made)
}

/// The manifest of an example as it is outside of this workspace.
fn published(manifest: &str) -> Result<String> {
    let mut published = String::new();
    for line in
        manifest.lines().filter(|line| !["description", "publish"].iter().any(|key| line.starts_with(key)))
    {
        let line = match line.split_once(", path = \"../../") {
            Some((before, after)) => {
                let (_, after) = after.split_once('"').ok_or_else(|| line.to_owned())?;
                let line = format!("{before}{after}");
                match line
                    .split_once("{ version = ")
                    .and_then(|(key, rest)| Some((key, rest.strip_suffix(" }")?)))
                {
                    Some((key, version)) if !version.contains(',') => format!("{key}{version}"),
                    _ => line,
                }
            }
            None => line.to_owned(),
        };
        published += &line;
        published.push('\n');
    }
    if published.contains("path = ") {
        return Err(
            format!("a template cannot have a dependency on this workspace alone:\n{published}").into()
        );
    }
    Ok(published)
}

/// All files below `directory`, from the root of the workspace, in order, with `/`.
fn walk(directory: &str) -> Result<Vec<String>> {
    let files = all_files(directory)?;
    Ok(files.iter().map(|path| path.to_string_lossy().replace('\\', "/")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_has_versions_instead_of_paths() {
        let manifest = "[package]\nname = \"a\"\ndescription = \"b\"\npublish = false\n\n[dependencies]\n\
                        grpc-ipc = { version = \"0.1\", path = \"../../crates/grpc-ipc\" }\n\
                        grpc = { version = \"0.1\", path = \"../../crates/grpc\", features = [\"tls\"] }\n\
                        tokio = { version = \"1\", features = [\"rt\"] }\n";
        let expected = "[package]\nname = \"a\"\n\n[dependencies]\ngrpc-ipc = \"0.1\"\n\
                        grpc = { version = \"0.1\", features = [\"tls\"] }\n\
                        tokio = { version = \"1\", features = [\"rt\"] }\n";
        assert_eq!(published(manifest).unwrap(), expected);
        assert!(published("proto = { path = \"../../proto\" }\n").is_err());
    }
}
