//! The results, platform by platform.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The results of one platform.
#[derive(Debug, Default)]
pub(crate) struct Platform {
    pub(crate) name: &'static str,
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    /// Skipped tests and checks, with the reasons.
    pub(crate) skipped: Vec<String>,
    /// Failures, with the commands that reproduce them.
    pub(crate) failures: Vec<String>,
    /// Remarks about the run.
    pub(crate) notes: Vec<String>,
}

impl Platform {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// Counts a check that is not a test, such as a build.
    pub(crate) fn check(&mut self, what: &str, result: crate::Result) {
        match result {
            Ok(()) => self.passed += 1,
            Err(error) => {
                self.failed += 1;
                self.failures.push(format!("{what}: {error}"));
            }
        }
    }

    /// Adds up the lines `test result: …` in the output of `cargo test`.
    pub(crate) fn count(&mut self, printed: &str) {
        for line in printed.lines().filter_map(|line| line.trim().strip_prefix("test result: ")) {
            self.passed += number_before(line, "passed");
            self.failed += number_before(line, "failed");
            for _ in 0..number_before(line, "ignored") {
                self.skipped.push("a test marked #[ignore]".to_owned());
            }
        }
    }
}

fn number_before(line: &str, word: &str) -> u32 {
    let mut words = line.split([' ', ';', '.']).filter(|word| !word.is_empty()).peekable();
    while let Some(number) = words.next() {
        if words.peek() == Some(&word) {
            return number.parse().unwrap_or(0);
        }
    }
    0
}

/// The table, and a last line with the totals.
pub(crate) fn show(platforms: &[Platform]) -> String {
    let mut text = String::from("\nplatform    passed  failed  skipped\n");
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for platform in platforms {
        let Platform { name, passed: p, failed: f, .. } = platform;
        let s = platform.skipped.len();
        // Writing to a string cannot fail.
        _ = writeln!(text, "{name:<10} {p:>7} {f:>7} {s:>8}");
        for note in &platform.notes {
            _ = writeln!(text, "    {note}");
        }
        for (reason, tests) in by_reason(&platform.skipped) {
            _ = writeln!(text, "    skipped: {reason}");
            for test in tests {
                _ = writeln!(text, "        {test}");
            }
        }
        for failure in &platform.failures {
            _ = writeln!(text, "    FAILED: {failure}");
        }
        passed += p;
        failed += f;
        skipped += s;
    }
    _ = write!(text, "\n{passed} passed, {failed} failed, {skipped} skipped");
    text
}

/// The skipped tests by reason, from lines `TEST: REASON`.
fn by_reason(skipped: &[String]) -> BTreeMap<&str, Vec<&str>> {
    let mut reasons: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for skip in skipped {
        let (test, reason) =
            skip.split_once(": ").map_or(("", skip.as_str()), |(test, reason)| (test, reason));
        let tests = reasons.entry(reason).or_default();
        if !test.is_empty() {
            tests.push(test);
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up() {
        let mut platform = Platform::new("linux");
        platform.count(
            "running 2 tests\n\
             test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.41s\n\
             test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n",
        );
        platform.check("a build", Ok(()));
        platform.check("another", Err("it broke".into()));
        assert_eq!((platform.passed, platform.failed, platform.skipped.len()), (16, 3, 1));
        assert!(show(&[platform]).ends_with("\n16 passed, 3 failed, 1 skipped"));
    }

    #[test]
    fn skipped_tests_are_shown_by_reason() {
        let skipped = ["a: no pipes", "b::c: no sockets: none", "d: no pipes", "not here"].map(str::to_owned);
        let expected =
            [("no pipes", vec!["a", "d"]), ("no sockets: none", vec!["b::c"]), ("not here", vec![])];
        assert_eq!(by_reason(&skipped).into_iter().collect::<Vec<_>>(), expected);
    }
}
