use std::collections::BTreeMap;

use crate::outcome::Outcome;

/// The table: what each cell said, and where that is not what it should say.
pub(crate) struct Table {
    lines: Vec<String>,
    cells: usize,
    wrong: Vec<String>,
    /// An error for each outcome, as one side said it.
    errors: BTreeMap<String, String>,
}

impl Table {
    pub(crate) fn new(of: &str, policies: &[&str]) -> Self {
        let head = format!("| situation | side | {of} {} |", policies.join(" | "));
        let line = format!("|---|---|{}", "---|".repeat(policies.len()));
        Self { lines: vec![head, line], cells: 0, wrong: Vec::new(), errors: BTreeMap::new() }
    }

    /// Adds what was found, each beside what is expected.
    pub(crate) fn row(
        &mut self,
        situation: &str,
        side: &str,
        cells: impl IntoIterator<Item = (Outcome, impl Into<String>)>,
    ) {
        let mut line = format!("| {situation} | {side} |");
        for (found, expected) in cells {
            let expected = expected.into();
            self.cells += 1;
            line += &format!(" {} |", found.is);
            if found.is != expected {
                let said = found.error.as_deref().unwrap_or_default();
                self.wrong
                    .push(format!("{situation}, {side}: {:?} instead of {expected:?}; {said}", found.is));
            }
            if let Some(error) = found.error {
                self.errors.entry(found.is).or_insert(error);
            }
        }
        self.lines.push(line);
    }

    /// Adds a row of cells that nobody looked at.
    #[cfg(windows)]
    pub(crate) fn skipped(&mut self, situation: &str, side: &str, reason: &str) {
        self.lines.push(format!("| {situation} | {side} | skipped: {reason} |"));
    }

    /// Prints it, and returns the cells that are wrong.
    pub(crate) fn print(self) -> Vec<String> {
        println!("{}\n", self.lines.join("\n"));
        for (outcome, error) in &self.errors {
            println!("{outcome}\n    {error}");
        }
        println!("{} cells\n", self.cells);
        self.wrong
    }
}
