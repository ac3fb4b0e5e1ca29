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
    /// Failures, with the commands that reproduce them. The lines after the first one say why.
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

/// The lines of `cargo test` that say what failed, and why: what failed tests printed, why a program ended, and what did
/// not build. A log of a whole run is long, and often only its end is at hand.
pub(crate) fn reasons(stdout: &str, stderr: &str) -> Vec<String> {
    let mut reasons = Vec::new();
    // How many more lines of a test are taken. None are outside of the part that repeats the output of failed tests.
    let mut rest = 0;
    for line in stdout.lines() {
        if line.starts_with("---- ") {
            rest = 20;
        } else if line == "failures:" || line.starts_with("test result:") {
            rest = 0;
        }
        if rest > 0 && !line.trim().is_empty() {
            reasons.push(line.to_owned());
            rest -= 1;
        }
    }
    let says_why = |line: &&str| {
        ["error", "watchdog: ", "    `-p "].iter().any(|start| line.starts_with(start))
            || line.contains("process didn't exit successfully")
    };
    reasons.extend(stderr.lines().filter(says_why).take(20).map(str::to_owned));
    reasons
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
            _ = writeln!(text, "    FAILED: {}", failure.replace('\n', "\n        "));
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
    fn a_failure_is_shown_with_its_reasons() {
        let stdout = "running 2 tests\n\
            test good ... ok\n\
            test bad ... FAILED\n\n\
            failures:\n\n\
            ---- bad stdout ----\n\n\
            thread 'bad' (7) panicked at tests/it.rs:5:1:\n\
            assertion failed: false\n\n\n\
            failures:\n    bad\n\n\
            test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
        let stderr = "   Compiling one v0.1.0\n\
            \x20    Running tests/it.rs (target/debug/deps/it-01)\n\
            watchdog: slow did not finish within 60s\n\
            error: test failed, to rerun pass `-p one --test it`\n\n\
            Caused by:\n\
            \x20 process didn't exit successfully: `it-02` (signal: 6, SIGABRT: process abort signal)\n\
            error: 1 target failed:\n\
            \x20   `-p one --test it`\n";
        let expected = [
            "---- bad stdout ----",
            "thread 'bad' (7) panicked at tests/it.rs:5:1:",
            "assertion failed: false",
            "watchdog: slow did not finish within 60s",
            "error: test failed, to rerun pass `-p one --test it`",
            "  process didn't exit successfully: `it-02` (signal: 6, SIGABRT: process abort signal)",
            "error: 1 target failed:",
            "    `-p one --test it`",
        ];
        let reasons = reasons(stdout, stderr);
        assert_eq!(reasons, expected);
        let mut platform = Platform::new("linux");
        platform.failures.push(format!("cargo test\n{}", reasons[..2].join("\n")));
        let shown = show(&[platform]);
        assert!(
            shown
                .contains("\n    FAILED: cargo test\n        ---- bad stdout ----\n        thread 'bad' (7)"),
            "{shown}"
        );
    }

    #[test]
    fn skipped_tests_are_shown_by_reason() {
        let skipped = ["a: no pipes", "b::c: no sockets: none", "d: no pipes", "not here"].map(str::to_owned);
        let expected =
            [("no pipes", vec!["a", "d"]), ("no sockets: none", vec!["b::c"]), ("not here", vec![])];
        assert_eq!(by_reason(&skipped).into_iter().collect::<Vec<_>>(), expected);
    }
}
