//! The files with the matrix: its JSON in the book, and the parts of the book and the README that are made from it.

use std::fs;

use super::markdown;
use super::matrix::Matrix;
use crate::Result;
use crate::workspace::{read, root};

const JSON: &str = "crates/grpc-ipc/docs/interoperability.json";
const BEGIN: &str = "<!-- cargo xtask interop --update -->\n";
const END: &str = "<!-- end -->\n";

/// The files with generated parts.
type Part = fn(&Matrix) -> String;
const DOCUMENTS: [(&str, Part); 2] =
    [("crates/grpc-ipc/docs/interoperability.md", markdown::guide), ("README.md", markdown::readme)];

/// Writes the matrix to `target/interop`, and with `update` also into the documentation. Returns the text for the book.
pub(super) fn write(matrix: Matrix, update: bool) -> Result<String> {
    let directory = root().join("target/interop");
    fs::create_dir_all(&directory)?;
    let guide = markdown::guide(&matrix);
    fs::write(directory.join("matrix.md"), &guide)?;
    fs::write(directory.join("matrix.json"), matrix.to_json())?;
    if update {
        let mut kept = Matrix::from_json(&read(JSON)?)?;
        kept.replace(matrix);
        let matrix = &kept;
        fs::write(root().join(JSON), matrix.to_json())?;
        for (path, part) in DOCUMENTS {
            fs::write(root().join(path), replaced(path, &read(path)?, &part(matrix))?)?;
        }
    }
    Ok(guide)
}

/// The documents that differ from the JSON.
pub(crate) fn outdated() -> Result<Vec<String>> {
    let matrix = Matrix::from_json(&read(JSON)?)?;
    let mut outdated = Vec::new();
    for (path, part) in DOCUMENTS {
        let text = read(path)?;
        if replaced(path, &text, &part(&matrix))? != text {
            outdated.push(path.to_owned());
        }
    }
    Ok(outdated)
}

/// `text` with `part` between the two marks.
fn replaced(path: &str, text: &str, part: &str) -> Result<String> {
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some(format!("{before}{BEGIN}\n{part}\n{END}{after}"))
    });
    parts.ok_or_else(|| format!("{path} has no lines {} and {}", BEGIN.trim_end(), END.trim_end()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_replaced_and_nothing_else() {
        let text = format!("before\n{BEGIN}old\n{END}after\n");
        let new = replaced("a.md", &text, "new\n").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}\nnew\n\n{END}after\n"));
        assert_eq!(replaced("a.md", &new, "new\n").unwrap(), new);
        replaced("a.md", "before\nafter\n", "new\n").unwrap_err();
    }
}
