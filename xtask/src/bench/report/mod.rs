//! The report: pages, charts, and the figures as JSON.

mod about;
mod behind;
mod charts;
mod pages;
mod summary;

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::Bench;
use super::table::Table;
use crate::Result;
use crate::workspace::{read, root};
use about::About;
use behind::Note;
use pages::PAGES;

/// The folder of the report, a part of the book.
const FOLDER: &str = "crates/grpc-ipc/docs/performance";
const GENERATED: &str = "<!-- Written by `cargo xtask bench`. -->";
/// The files with a generated part, and the relative path of the report's folder in each.
const PARTS: [(&str, &str); 2] =
    [("README.md", FOLDER), ("crates/grpc-ipc/docs/guide/performance.md", "../performance")];
const BEGIN: &str = "<!-- measured: written by `cargo xtask bench` -->\n";
const END: &str = "<!-- /measured -->\n";

/// Writes the report of a run.
pub(super) fn write(bench: &Bench, table: &Table) -> Result {
    let mut json = table.to_json();
    json["about"] = About::here(bench)?.to_json();
    fs::create_dir_all(root().join(FOLDER))?;
    fs::write(root().join(FOLDER).join("figures.json"), lines(&json))?;
    render()
}

/// Writes the pages and charts of the last report again, and prints the notes that are missing or not needed.
pub(super) fn render() -> Result {
    for (path, text) in wanted()? {
        fs::write(root().join(&path), text)?;
        println!("{path}");
    }
    unexplained()?.iter().for_each(|finding| println!("{finding}"));
    Ok(())
}

/// Prints the tables of a run of some sections.
pub(super) fn print(table: &Table) {
    for page in &PAGES {
        let text = page.text(table);
        if text.contains('|') {
            println!("{text}");
        }
    }
    table.notes.iter().for_each(|note| println!("{note}\n"));
}

/// The files that [`render`] would change, and the notes that are missing or not needed.
pub(crate) fn outdated() -> Result<Vec<String>> {
    let mut findings = unexplained()?;
    for (path, text) in wanted()? {
        if read(&path).ok().as_ref() != Some(&text) {
            findings.push(format!("{path} differs from its figures; run `cargo xtask bench --render`"));
        }
    }
    Ok(findings)
}

fn last() -> Result<(About, Table, Vec<Note>)> {
    let json: Value = serde_json::from_str(&read(format!("{FOLDER}/figures.json"))?)?;
    let about = About::from_json(&json["about"]).ok_or("figures.json does not say what it is about")?;
    let notes = Note::read_all(&read(format!("{FOLDER}/behind.json"))?)?;
    Ok((about, Table::from_json(&json)?, notes))
}

fn unexplained() -> Result<Vec<String>> {
    let (_, table, notes) = last()?;
    Ok(behind::check(&table, &notes))
}

/// The text of each file by its path.
fn wanted() -> Result<BTreeMap<String, String>> {
    let (about, table, notes) = last()?;
    let mut wanted = BTreeMap::new();
    let mut charts = Vec::new();
    for (name, alternative, panels) in &summary::BARS {
        if let Some(svg) = charts::bars(&table, panels)? {
            wanted.insert(format!("{FOLDER}/{name}.svg"), svg);
            charts.push((*name, *alternative));
        }
    }
    for (name, alternative, lines) in &summary::LINES {
        if let Some(svg) = charts::lines(&table, lines)? {
            wanted.insert(format!("{FOLDER}/{name}.svg"), svg);
            charts.push((*name, *alternative));
        }
    }
    wanted.insert(format!("{FOLDER}/report.md"), summary::text(&about, &table, &charts));
    wanted.insert(format!("{FOLDER}/behind.md"), behind::text(&table, &notes));
    for page in &PAGES {
        wanted.insert(format!("{FOLDER}/{}.md", page.name), page.text(&table));
    }
    for (path, folder) in PARTS {
        let part = summary::part(&about, &table, folder);
        wanted.insert(
            path.to_owned(),
            with_part(&read(path)?, &part).ok_or_else(|| format!("{path} has no {BEGIN}"))?,
        );
    }
    Ok(wanted)
}

/// A text with another generated part. `None` if it has no place for it.
fn with_part(text: &str, part: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{part}\n{END}{after}"))
}

/// The figures, a row on each line, so that versions of the file can be compared.
fn lines(json: &Value) -> String {
    let rows = json["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows: Vec<_> = rows.iter().map(|row| format!("  {row}")).collect();
    let (about, notes) = (&json["about"], json!(json["notes"]));
    format!("{{\n\"about\": {about},\n\"notes\": {notes},\n\"rows\": [\n{}\n]\n}}\n", rows.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_generated_part_changes() {
        let text = format!("before\n{BEGIN}old\n{END}after\n");
        assert_eq!(with_part(&text, "new\n").unwrap(), format!("before\n{BEGIN}\nnew\n\n{END}after\n"));
        assert_eq!(with_part("nothing", "new"), None);
    }

    #[test]
    fn the_figures_are_readable_json() {
        let mut json = Table::default().to_json();
        json["rows"] =
            json!([{"section": "s", "what": "w", "place": "p", "unit": "u", "figures": {"raw": [1.5]}}]);
        json["about"] = json!({"date": "d"});
        assert_eq!(serde_json::from_str::<Value>(&lines(&json)).unwrap(), json);
    }
}
