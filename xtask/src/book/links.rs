//! The links of the finished book.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::API;
use crate::Result;

/// The broken links, one per line. Links to other sites are not checked.
pub(super) fn broken(book: &Path) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    let mut texts = HashMap::new();
    for page in pages(book)? {
        let text = fs::read_to_string(&page)?;
        let shown = page.strip_prefix(book)?.display();
        for link in targets(&text) {
            let (path, id) = link.split_once('#').unwrap_or((link, ""));
            let mut target = match path {
                "" => page.clone(),
                path => page.parent().unwrap_or(book).join(path),
            };
            if target.is_dir() {
                target.push("index.html");
            }
            let text = texts.entry(target.clone()).or_insert_with(|| fs::read_to_string(&target).ok());
            // Images and fonts are not text, but they exist.
            let found = match text {
                Some(text) => id.is_empty() || text.contains(&format!("id=\"{id}\"")),
                None => id.is_empty() && target.exists(),
            };
            if !found {
                broken.push(format!("{shown}: {link} leads nowhere"));
            }
        }
    }
    Ok(broken)
}

/// The pages of the book itself.
fn pages(book: &Path) -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    let mut directories = vec![book.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && path != book.join(API) {
                directories.push(path);
            } else if name.ends_with(".html") && !["print.html", "404.html"].contains(&name) {
                pages.push(path);
            }
        }
    }
    pages.sort();
    Ok(pages)
}

fn targets(html: &str) -> impl Iterator<Item = &str> {
    let found = html.split(" href=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0));
    found.filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let book = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(book.path().join(name), text).unwrap();
        write(
            "a.html",
            r##"<a href="b.html#part"> <a href="b.html#none"> <a href="c.html"> <a href="https://x.y">"##,
        );
        write("b.html", r#"<h2 id="part">"#);
        let broken = broken(book.path()).unwrap();
        assert_eq!(broken, ["a.html: b.html#none leads nowhere", "a.html: c.html leads nowhere"]);
    }
}
