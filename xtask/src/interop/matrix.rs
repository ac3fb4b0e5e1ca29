//! The results of a run, and their JSON.

use serde_json::{Map, Value, json};

use super::cases::{self, Outcome};
use super::peers::Peer;
use super::transport::Transport;
use crate::Result;

/// The results of a run.
#[derive(PartialEq, Debug)]
pub(super) struct Matrix {
    pub(super) date: String,
    pub(super) machine: String,
    pub(super) participants: Vec<Participant>,
    pub(super) cells: Vec<Cell>,
}

/// A peer that took part.
#[derive(PartialEq, Debug)]
pub(super) struct Participant {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) version: String,
}

/// The results of a client with a server.
#[derive(PartialEq, Debug)]
pub(super) struct Cell {
    pub(super) client: String,
    pub(super) server: String,
    pub(super) transport: Transport,
    pub(super) cases: Vec<(String, Outcome)>,
}

impl Participant {
    pub(super) fn of(peer: &Peer) -> Self {
        let version = peer.version().unwrap_or_else(|| "unknown".to_owned());
        Self { name: peer.name.to_owned(), title: peer.title.to_owned(), version }
    }
}

impl Cell {
    pub(super) fn passed(&self) -> usize {
        self.cases.iter().filter(|(_, outcome)| *outcome == Outcome::Passed).count()
    }

    /// The failed cases, with the reasons.
    pub(super) fn failed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cases.iter().filter_map(|(case, outcome)| match outcome {
            Outcome::Failed(why) => Some((case.as_str(), why.as_str())),
            _ => None,
        })
    }

    /// The reasons for which cases failed, each with its cases.
    pub(super) fn failures(&self) -> Vec<(&str, Vec<&str>)> {
        let mut failures: Vec<(&str, Vec<&str>)> = Vec::new();
        for (case, why) in self.failed() {
            match failures.iter_mut().find(|(known, _)| *known == why) {
                Some((_, cases)) => cases.push(case),
                None => failures.push((why, vec![case])),
            }
        }
        failures
    }

    /// The cases that do not apply, with the reasons.
    pub(super) fn not_applicable(&self) -> impl Iterator<Item = (&str, &str)> {
        self.cases.iter().filter_map(|(case, outcome)| match outcome {
            Outcome::NotApplicable(why) => Some((case.as_str(), why.as_str())),
            _ => None,
        })
    }

    fn to_json(&self) -> Value {
        let reasons = |cases: &mut dyn Iterator<Item = (&str, &str)>| {
            cases.map(|(case, why)| (case.to_owned(), why.into())).collect::<Map<_, Value>>()
        };
        let passed = self.cases.iter().filter(|(_, outcome)| *outcome == Outcome::Passed);
        json!({
            "client": self.client,
            "server": self.server,
            "transport": self.transport.name(),
            "passed": passed.map(|(case, _)| case.as_str()).collect::<Vec<_>>(),
            "failed": reasons(&mut self.failed()),
            "not_applicable": reasons(&mut self.not_applicable()),
        })
    }

    fn from_json(json: &Value) -> Option<Self> {
        let text = |field| Some(json[field].as_str()?.to_owned());
        let mut cases = Vec::new();
        for case in json["passed"].as_array()? {
            cases.push((case.as_str()?.to_owned(), Outcome::Passed));
        }
        let reasons = |field| {
            Some(json[field].as_object()?.iter().filter_map(|(case, why)| Some((case, why.as_str()?))))
        };
        for (case, why) in reasons("failed")? {
            cases.push((case.clone(), Outcome::Failed(why.to_owned())));
        }
        for (case, why) in reasons("not_applicable")? {
            cases.push((case.clone(), Outcome::NotApplicable(why.to_owned())));
        }
        let place = |case: &str| cases::ALL.iter().position(|known| *known == case).unwrap_or(usize::MAX);
        cases.sort_by_key(|(case, _)| place(case));
        let transport = Transport::named(json["transport"].as_str()?)?;
        Some(Self { client: text("client")?, server: text("server")?, transport, cases })
    }
}

impl Matrix {
    /// The cell of these two, if it was run.
    pub(super) fn cell(&self, client: &str, server: &str, transport: Transport) -> Option<&Cell> {
        let is_it =
            |cell: &&Cell| cell.client == client && cell.server == server && cell.transport == transport;
        self.cells.iter().find(is_it)
    }

    /// Replaces the cells and peers that were run again, and adds new ones.
    pub(super) fn replace(&mut self, new: Self) {
        (self.date, self.machine) = (new.date, new.machine);
        for peer in new.participants {
            match self.participants.iter_mut().find(|known| known.name == peer.name) {
                Some(known) => *known = peer,
                None => self.participants.push(peer),
            }
        }
        for cell in new.cells {
            let is_it = |known: &&mut Cell| {
                known.client == cell.client
                    && known.server == cell.server
                    && known.transport == cell.transport
            };
            match self.cells.iter_mut().find(is_it) {
                Some(known) => *known = cell,
                None => self.cells.push(cell),
            }
        }
    }

    /// The JSON, with a line for each peer and each cell.
    pub(super) fn to_json(&self) -> String {
        let lines = |values: Vec<Value>| {
            let lines: Vec<_> = values.iter().map(|value| format!("\n    {value}")).collect();
            format!("[{}\n  ]", lines.join(","))
        };
        let participant =
            |peer: &Participant| json!({"name": peer.name, "title": peer.title, "version": peer.version});
        format!(
            "{{\n  \"date\": {},\n  \"machine\": {},\n  \"peers\": {},\n  \"cells\": {}\n}}\n",
            Value::from(self.date.as_str()),
            Value::from(self.machine.as_str()),
            lines(self.participants.iter().map(participant).collect()),
            lines(self.cells.iter().map(Cell::to_json).collect()),
        )
    }

    pub(super) fn from_json(text: &str) -> Result<Self> {
        let json: Value = serde_json::from_str(text)?;
        Self::from_value(&json).ok_or_else(|| "not the JSON of `cargo xtask interop`".into())
    }

    fn from_value(json: &Value) -> Option<Self> {
        let text = |json: &Value, field| Some(json[field].as_str()?.to_owned());
        let participant = |peer| {
            let [name, title, version] = ["name", "title", "version"].map(|field| text(peer, field));
            Some(Participant { name: name?, title: title?, version: version? })
        };
        Some(Self {
            date: text(json, "date")?,
            machine: text(json, "machine")?,
            participants: json["peers"].as_array()?.iter().map(participant).collect::<Option<_>>()?,
            cells: json["cells"].as_array()?.iter().map(Cell::from_json).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A peer that failed at something on a transport and lacks something on another.
    pub(in super::super) fn example() -> Matrix {
        let cell = |client: &str, server: &str, transport, cases: &[(&str, Outcome)]| Cell {
            client: client.to_owned(),
            server: server.to_owned(),
            transport,
            cases: cases.iter().map(|(case, outcome)| ((*case).to_owned(), outcome.clone())).collect(),
        };
        let broken = Outcome::Failed("it \"broke\"".to_owned());
        let lacking = Outcome::NotApplicable("it has no ping".to_owned());
        let peer = |name: &str, title: &str, version: &str| Participant {
            name: name.to_owned(),
            title: title.to_owned(),
            version: version.to_owned(),
        };
        Matrix {
            date: "2026-11-29".to_owned(),
            machine: "a machine".to_owned(),
            participants: vec![peer("grpc-ipc", "Ours", "0.1"), peer("cpp", "C++", "grpc 1.51")],
            cells: vec![
                cell(
                    "cpp",
                    "grpc-ipc",
                    Transport::Uds,
                    &[("empty_unary", Outcome::Passed), ("ping_pong", broken)],
                ),
                cell(
                    "cpp",
                    "grpc-ipc",
                    Transport::Tcp,
                    &[("empty_unary", Outcome::Passed), ("ping_pong", lacking.clone())],
                ),
                cell(
                    "grpc-ipc",
                    "cpp",
                    Transport::Uds,
                    &[("empty_unary", lacking.clone()), ("ping_pong", lacking)],
                ),
            ],
        }
    }

    #[test]
    fn a_cell_that_is_run_again_is_replaced() {
        let (mut kept, mut new) = (example(), example());
        new.cells.truncate(1);
        new.participants.truncate(1);
        new.cells[0].cases[1].1 = Outcome::Passed;
        kept.replace(new);
        assert_eq!((kept.cells.len(), kept.participants.len()), (3, 2));
        assert_eq!(kept.cell("cpp", "grpc-ipc", Transport::Uds).unwrap().passed(), 2);
        assert_eq!(kept.cell("cpp", "grpc-ipc", Transport::Tcp).unwrap().passed(), 1);
    }

    #[test]
    fn the_json_is_the_whole_matrix() {
        let matrix = example();
        assert_eq!(Matrix::from_json(&matrix.to_json()).unwrap(), matrix);
        Matrix::from_json("{}").unwrap_err();
    }
}
