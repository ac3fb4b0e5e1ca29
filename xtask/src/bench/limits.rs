//! The file of limits, and how a figure is compared with its limit.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter, Write as _};

use crate::Result;

/// The costs of calls, by kind of cost and call.
pub(super) type Figures = BTreeMap<String, (Unit, f64)>;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Unit {
    Instructions,
    Writes,
    Reads,
    Waits,
    Allocations,
}

impl Unit {
    const ALL: [Self; 5] = [Self::Instructions, Self::Writes, Self::Reads, Self::Waits, Self::Allocations];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Writes => "writes",
            Self::Reads => "reads",
            Self::Waits => "waits",
            Self::Allocations => "allocations",
        }
    }

    /// How far a figure may exceed the recorded one.
    fn allowance(self, recorded: f64, same_toolchain: bool) -> f64 {
        match self {
            // The scheduling of the two processes affects how calls are batched, and glibc selects memcpy by processor.
            Self::Instructions if same_toolchain => recorded * 0.05,
            // Each compiler version inlines differently.
            Self::Instructions => recorded * 0.1,
            // They repeat exactly, except for one that begins or ends in only one of the two runs.
            Self::Writes | Self::Reads | Self::Allocations => 0.05,
            // A process that runs late finds in one wait what would otherwise take two.
            Self::Waits => 0.2,
        }
    }

    fn shown(self, count: f64) -> String {
        match self {
            Self::Instructions => format!("{count:.0}"),
            _ => format!("{count:.2}"),
        }
    }
}

/// The recorded limits.
#[derive(Debug, PartialEq)]
pub(super) struct Limits {
    toolchain: String,
    figures: Figures,
}

/// The result of the comparison.
pub(super) struct Verdict {
    /// One line per figure.
    pub(super) text: String,
    /// The figures that exceed their limits.
    pub(super) exceeded: Vec<String>,
}

const HEAD: &str = "\
# What a call costs, recorded by `cargo xtask bench --gate --update`. `cargo xtask bench --gate` fails when one costs more:
# 5 % more instructions, or 10 % with another version of rustc than this one; 0.05 more writes, reads or allocations;
# 0.2 more waits.
";

impl Limits {
    pub(super) fn new(toolchain: String, figures: Figures) -> Self {
        Self { toolchain, figures }
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let toolchain = lines.next().ok_or("the file of the limits is empty")?.to_owned();
        let figure = |line: &str| {
            let (name, count) = line.rsplit_once(": ")?;
            let unit = name.rsplit(", ").next()?;
            let unit = Unit::ALL.into_iter().find(|known| known.name() == unit)?;
            Some((name.to_owned(), (unit, count.parse().ok()?)))
        };
        let figures =
            lines.map(|line| figure(line).ok_or_else(|| format!("this is not a limit: {line}").into()));
        Ok(Self { toolchain, figures: figures.collect::<Result<_>>()? })
    }

    pub(super) fn judge(&self, figures: &Figures, toolchain: &str) -> Verdict {
        let mut verdict = Verdict { text: String::new(), exceeded: Vec::new() };
        let same = toolchain == self.toolchain;
        for (name, (unit, count)) in figures {
            let shown = unit.shown(*count);
            let line = match self.figures.get(name) {
                None => Err(format!("{name}: {shown}, without a limit")),
                Some((_, recorded)) => {
                    let limit = recorded + unit.allowance(*recorded, same);
                    let line = format!("{name}: {shown}, limit {}", unit.shown(limit));
                    let is_less = *count < recorded - unit.allowance(*recorded, true);
                    match (*count > limit, is_less) {
                        (true, _) => Err(line),
                        (false, true) => Ok(format!("{line}; --update would lower it")),
                        (false, false) => Ok(line),
                    }
                }
            };
            // Writing to a string cannot fail.
            _ = match &line {
                Ok(line) => writeln!(verdict.text, "ok      {line}"),
                Err(line) => writeln!(verdict.text, "EXCEEDS {line}"),
            };
            verdict.exceeded.extend(line.err());
        }
        verdict
    }
}

impl Display for Limits {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        writeln!(to, "{HEAD}{}", self.toolchain)?;
        for (name, (unit, count)) in &self.figures {
            writeln!(to, "{name}: {}", unit.shown(*count))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let figure = |name: &str, unit, count| (name.to_owned(), (unit, count));
        let figures = [
            figure("grpc-ipc, client, instructions", Unit::Instructions, 1000.0),
            figure("grpc-ipc, client, reads", Unit::Reads, 1.25),
        ];
        Limits::new("rustc 1.95.0".to_owned(), figures.into())
    }

    fn judge(name: &str, unit: Unit, count: f64, toolchain: &str) -> Vec<String> {
        limits().judge(&Figures::from([(name.to_owned(), (unit, count))]), toolchain).exceeded
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Limits::parse(&limits().to_string()).unwrap(), limits());
        assert!(Limits::parse("").is_err());
        assert!(Limits::parse("rustc 1.95.0\nwithout a number").is_err());
    }

    #[test]
    fn a_figure_may_exceed_its_record_by_little() {
        let name = "grpc-ipc, client, instructions";
        let instructions = |count, toolchain| judge(name, Unit::Instructions, count, toolchain);
        assert_eq!(instructions(1049.0, "rustc 1.95.0"), [""; 0]);
        assert_eq!(
            instructions(1051.0, "rustc 1.95.0"),
            ["grpc-ipc, client, instructions: 1051, limit 1050"]
        );
        assert_eq!(instructions(1099.0, "rustc 1.96.0"), [""; 0]);
        assert_eq!(instructions(1101.0, "rustc 1.96.0").len(), 1);
        let reads = |count| judge("grpc-ipc, client, reads", Unit::Reads, count, "rustc 1.95.0").len();
        assert_eq!((reads(1.29), reads(1.31)), (0, 1));
    }

    #[test]
    fn a_figure_without_a_limit_is_told() {
        let exceeded = judge("grpc-ipc, server, reads", Unit::Reads, 1.0, "rustc 1.95.0");
        assert_eq!(exceeded, ["grpc-ipc, server, reads: 1.00, without a limit"]);
    }

    #[test]
    fn what_costs_less_is_no_failure() {
        let name = "grpc-ipc, client, instructions".to_owned();
        let figures = Figures::from([(name, (Unit::Instructions, 900.0))]);
        let verdict = limits().judge(&figures, "rustc 1.95.0");
        assert_eq!(verdict.exceeded, [""; 0]);
        assert!(verdict.text.contains("--update would lower it"), "{}", verdict.text);
    }
}
