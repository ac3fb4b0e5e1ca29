//! The cells in which grpc-ipc is behind. The reasons are notes in `behind.json`, which this does not write.

use std::fmt::Write as _;

use serde_json::Value;

use crate::Result;
use crate::bench::shapes::Shape;
use crate::bench::stack::Stack;
use crate::bench::table::{Row, Spread, Table, number};

/// How much worse the median has to be.
const TOLERANCE: f64 = 0.05;

/// Why grpc-ipc is behind in some cells.
pub(super) struct Note {
    against: Vec<Stack>,
    /// Empty: any.
    section: String,
    /// What the names of its rows contain.
    what: String,
    /// What the names of its places contain.
    place: String,
    why: String,
    tried: String,
}

impl Note {
    /// Reads a list of notes.
    pub(super) fn read_all(json: &str) -> Result<Vec<Self>> {
        let value: Value = serde_json::from_str(json)?;
        let notes = value.as_array().ok_or("expected a list of notes")?;
        notes.iter().map(Self::read).collect()
    }

    fn read(value: &Value) -> Result<Self> {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let against = value["against"].as_array().ok_or("a note has no `against`")?;
        let stack = |name: &Value| {
            name.as_str().and_then(Stack::named).ok_or_else(|| format!("a note is against {name}"))
        };
        let note = Self {
            against: against.iter().map(stack).collect::<std::result::Result<_, _>>()?,
            section: text("section"),
            what: text("what"),
            place: text("place"),
            why: text("why"),
            tried: text("tried"),
        };
        if note.why.is_empty() || note.tried.is_empty() {
            return Err("a note needs `why` and `tried`".into());
        }
        Ok(note)
    }

    fn covers(&self, cell: &Cell) -> bool {
        self.against.contains(&cell.other)
            && (self.section.is_empty() || self.section == cell.row.section)
            && cell.row.what.contains(&self.what)
            && cell.row.place.contains(&self.place)
    }

    fn title(&self) -> String {
        let names: Vec<_> = self.against.iter().map(|stack| stack.name()).collect();
        let words = [&*self.section, &*self.what, &*self.place];
        let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let what = if words.is_empty() { "Other figures".to_owned() } else { words.join(", ") };
        format!("{what}: behind {}", names.join(", "))
    }
}

/// A figure in which another stack is better.
struct Cell<'a> {
    row: &'a Row,
    other: Stack,
    ratio: Spread,
    own: f64,
    theirs: f64,
}

/// The cells in which grpc-ipc is behind in every round, and by more than the tolerance.
fn cells(table: &Table) -> Vec<Cell<'_>> {
    let shapes = Shape::all();
    let mut cells = Vec::new();
    for (row, figures) in &table.rows {
        let shape = shapes.iter().find(|shape| shape.section == row.section && shape.what == row.what);
        if shape.is_some_and(|shape| !shape.compares(&row.unit)) {
            continue;
        }
        for other in figures.keys().copied().filter(|other| !other.is_ours()) {
            let Some(ratio) = Spread::of_ratios(figures, other) else { continue };
            let is_behind = if row.more_is_better() {
                ratio.most < 1.0 && ratio.median < 1.0 - TOLERANCE
            } else {
                ratio.least > 1.0 && ratio.median > 1.0 + TOLERANCE
            };
            let median = |stack| Spread::of(figures.get(&stack)?).map(|spread| spread.median);
            if let (true, Some(own), Some(theirs)) = (is_behind, median(Stack::GrpcIpc), median(other)) {
                cells.push(Cell { row, other, ratio, own, theirs });
            }
        }
    }
    cells
}

/// The page of these cells.
pub(super) fn text(table: &Table, notes: &[Note]) -> String {
    let cells = cells(table);
    let mut text = format!("# Where grpc-ipc is behind\n\n{}\n", super::GENERATED);
    _ = write!(
        text,
        "\nThese figures are worse than another stack's in every round, and by more than {:.0} % in the median. Of a \
         kind of call, only the figures that matter most are compared: latency with one call in flight, calls per \
         second with more, bytes per second of streams, and at a constant rate also the latency that 99 % stay below.\n",
        TOLERANCE * 100.0
    );
    for (at, note) in notes.iter().enumerate() {
        let covered: Vec<_> = cells.iter().filter(|cell| first(notes, cell) == Some(at)).collect();
        _ = write!(text, "\n## {}\n\n{}\n\nTried: {}\n", note.title(), note.why, note.tried);
        text.push_str(&rows(&covered));
    }
    let unexplained: Vec<_> = cells.iter().filter(|cell| first(notes, cell).is_none()).collect();
    if !unexplained.is_empty() {
        _ = write!(text, "\n## Not explained yet\n{}", rows(&unexplained));
    }
    text
}

/// The cells without a note, and the notes without a cell.
pub(super) fn check(table: &Table, notes: &[Note]) -> Vec<String> {
    let cells = cells(table);
    let mut wrong = Vec::new();
    for cell in cells.iter().filter(|cell| first(notes, cell).is_none()) {
        let Row { section, what, place, unit } = cell.row;
        wrong.push(format!(
            "no note says why {} is ahead in: {section}, {what}, {place}, {unit}",
            cell.other.name()
        ));
    }
    for (at, note) in notes.iter().enumerate() {
        if !cells.iter().any(|cell| first(notes, cell) == Some(at)) {
            wrong.push(format!("no figure has the note \"{}\" any more", note.title()));
        }
    }
    wrong
}

/// The first note for a cell.
fn first(notes: &[Note], cell: &Cell) -> Option<usize> {
    notes.iter().position(|note| note.covers(cell))
}

fn rows(cells: &[&Cell]) -> String {
    let mut text = String::from(
        "\n| figure | placed | unit | grpc-ipc | other | ratio |\n|---|---|---|---:|---:|---|\n",
    );
    for Cell { row, other, ratio, own, theirs } in cells {
        let Row { section, what, place, unit } = row;
        let [own, theirs] = [*own, *theirs].map(number);
        let Spread { least, median, most } = ratio;
        let [least, median, most] = [*least, *median, *most].map(number);
        _ = writeln!(
            text,
            "| {section}: {what} | {place} | {unit} | {own} | {} {theirs} | {median}× ({least}–{most}) |",
            other.name()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTES: &str = r#"[{"against": ["raw"], "section": "Unary calls", "what": "1 in flight", "why": "w", "tried": "t"}]"#;

    fn table(raw: [f64; 2], what: &str) -> Table {
        let mut table = Table::default();
        for (raw, ours) in raw.into_iter().zip([10.0, 11.0]) {
            let row = Row::new("Unary calls", what, "release, one core", "p50 µs");
            table.add(row.clone(), Stack::Raw, raw);
            table.add(row, Stack::GrpcIpc, ours);
        }
        table
    }

    #[test]
    fn a_figure_is_behind_if_it_is_in_every_round() {
        let notes = Note::read_all(NOTES).unwrap();
        let behind = table([5.0, 6.0], "64 B, 1 in flight");
        assert_eq!(check(&behind, &notes), [""; 0]);
        assert!(
            text(&behind, &notes).contains("| raw 5.50 | 1.92× (1.83–2.00) |"),
            "{}",
            text(&behind, &notes)
        );
        let level = table([5.0, 12.0], "64 B, 1 in flight");
        assert_eq!(
            check(&level, &notes),
            ["no figure has the note \"Unary calls, 1 in flight: behind raw\" any more"]
        );
    }

    #[test]
    fn a_figure_without_a_note_is_told() {
        // Calls with a single one in flight are compared by latency, so this row is not of such a kind.
        let behind = table([5.0, 6.0], "other");
        let wrong = check(&behind, &[]);
        assert_eq!(
            wrong,
            ["no note says why raw is ahead in: Unary calls, other, release, one core, p50 µs"]
        );
        assert!(text(&behind, &[]).contains("Not explained"));
        assert!(Note::read_all(r#"[{"against": ["nobody"]}]"#).is_err());
        assert!(Note::read_all(r#"[{"against": ["raw"], "section": "x"}]"#).is_err());
    }
}
