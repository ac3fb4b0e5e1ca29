//! Finds the page of an item in the documentation of the facade.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace;

/// rustdoc's file names for the pages of items.
const KINDS: [&str; 8] = ["struct", "enum", "trait", "fn", "type", "constant", "macro", "derive"];
/// rustdoc's anchors for members on these pages.
const MEMBERS: [&str; 6] =
    ["method", "variant", "tymethod", "structfield", "associatedtype", "associatedconstant"];
/// Items of other crates, with their kinds. Their documentation is not built here.
const ELSEWHERE: [(&str, &str, &str); 7] = [
    ("tonic::Code", "https://docs.rs/tonic/latest/tonic/enum.Code.html", "variant"),
    ("tonic::Request", "https://docs.rs/tonic/latest/tonic/struct.Request.html", "method"),
    ("tonic::Response", "https://docs.rs/tonic/latest/tonic/struct.Response.html", "method"),
    ("tonic::Status", "https://docs.rs/tonic/latest/tonic/struct.Status.html", "method"),
    ("tonic::Streaming", "https://docs.rs/tonic/latest/tonic/struct.Streaming.html", "method"),
    ("std::error::Error", "https://doc.rust-lang.org/std/error/trait.Error.html", "method"),
    ("tonic", "https://docs.rs/tonic/latest/tonic/index.html", "method"),
];

/// Whether `target` is a Rust path, not a file or a URL.
pub(super) fn is_path(target: &str) -> bool {
    let target = target.strip_suffix("()").unwrap_or(target);
    let is_word = |word: &str| {
        word.chars().all(|c| c.is_alphanumeric() || c == '_')
            && word.starts_with(|c: char| c.is_alphabetic() || c == '_')
    };
    target.split("::").all(is_word)
}

/// The link to the item at `path`, as written in the documentation of `module`. A link into the facade is relative to
/// the root of the documentation.
pub(super) fn link(path: &str, module: &str) -> Option<Link> {
    let path = path.strip_suffix("()").unwrap_or(path);
    for (item, page, member) in ELSEWHERE {
        if path == item {
            return Some(Link::Elsewhere(page.to_owned()));
        }
        if let Some(name) = path.strip_prefix(item).and_then(|rest| rest.strip_prefix("::"))
            && item != "tonic"
        {
            return Some(Link::Elsewhere(format!("{page}#{member}.{name}")));
        }
    }
    let root = workspace::root().join("target/doc");
    let names: Vec<_> = path.split("::").skip_while(|name| *name == "crate").collect();
    let inside = (!path.starts_with("crate")).then(|| PathBuf::from("grpc_ipc").join(module));
    let places = inside.into_iter().chain([PathBuf::from("grpc_ipc")]);
    places.into_iter().find_map(|place| page(&root, &place, &names)).map(Link::Here)
}

pub(super) enum Link {
    Here(String),
    Elsewhere(String),
}

/// The page of the item at the path `names`, starting from the module `place`.
fn page(root: &Path, place: &Path, names: &[&str]) -> Option<String> {
    let [name, members @ ..] = names else {
        let index = place.join("index.html");
        return root.join(&index).exists().then(|| index.display().to_string());
    };
    // Private modules have folders, too, but no pages.
    if root.join(place).join(name).join("index.html").exists() {
        return page(root, &place.join(name), members);
    }
    let mut pages = KINDS.iter().map(|kind| place.join(format!("{kind}.{name}.html")));
    let page = pages.find(|page| root.join(page).exists())?;
    let [member] = members else { return members.is_empty().then(|| page.display().to_string()) };
    let text = fs::read_to_string(root.join(&page)).ok()?;
    let mut ids = MEMBERS.iter().map(|kind| format!("{kind}.{member}"));
    let id = ids.find(|id| text.contains(&format!("id=\"{id}\"")))?;
    Some(format!("{}#{id}", page.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_rust_are_not_paths_of_files() {
        assert!(is_path("crate::Server::listen") && is_path("Channel") && is_path("shutdown_signal()"));
        assert!(!is_path("guide/errors.md") && !is_path("#security") && !is_path("https://docs.rs"));
    }
}
