//! Reads DHAT's report about a program's heap.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;

use super::counted::Counter;
use crate::Result;

/// A command that tests whether DHAT works.
pub(super) const PROBE: [&str; 4] = ["valgrind", "--quiet", "--tool=dhat", "--dhat-out-file=/dev/null"];
pub(super) const DHAT: Counter<Heap> = Counter { tool, read: Heap::read };
/// The same, without the call stacks.
pub(super) const DHAT_TOTALS: Counter<[u64; 2]> =
    Counter { tool, read: |report| Ok(Heap::read(report)?.totals()) };

/// The memory that a program has allocated.
#[derive(Debug, Default)]
pub(super) struct Heap {
    /// All blocks and bytes ever allocated, by call stack, innermost function first.
    pub(super) places: BTreeMap<Vec<String>, [u64; 2]>,
    /// The maximum number of bytes allocated at once.
    pub(super) peak: u64,
}

impl Heap {
    fn read(report: &str) -> Result<Self> {
        let report: Value = serde_json::from_str(report)?;
        let unknown = || "the format of DHAT's report is unknown";
        let frames = report["ftbl"].as_array().ok_or_else(unknown)?;
        let mut heap = Self::default();
        for point in report["pps"].as_array().ok_or_else(unknown)? {
            let number = |name: &str| point[name].as_u64().ok_or_else(unknown);
            let stack = point["fs"].as_array().ok_or_else(unknown)?.iter();
            let stack = stack.map(|at| {
                let frame = frames.get(usize::try_from(at.as_u64()?).ok()?)?.as_str()?;
                Some(function(frame).to_owned())
            });
            let place = heap.places.entry(stack.collect::<Option<_>>().ok_or_else(unknown)?).or_default();
            place[0] += number("tbk")?;
            place[1] += number("tb")?;
            heap.peak += number("gb")?;
        }
        Ok(heap)
    }

    /// All blocks and bytes ever allocated.
    fn totals(&self) -> [u64; 2] {
        self.places.values().fold([0, 0], |sum, place| [sum[0] + place[0], sum[1] + place[1]])
    }
}

fn tool(report: &Path) -> Vec<OsString> {
    let mut file = OsString::from("--dhat-out-file=");
    file.push(report);
    // valgrind cannot read the names of inlined functions.
    vec!["valgrind".into(), "--quiet".into(), "--tool=dhat".into(), "--read-inline-info=no".into(), file]
}

/// The function of a frame `ADDRESS: FUNCTION (FILE:LINE)`.
fn function(frame: &str) -> &str {
    let name = frame.split_once(": ").map_or(frame, |(_, name)| name);
    // Only the last pair of parentheses contains the file.
    name.rsplit_once(" (").map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{
        "pps": [
            {"tb": 300, "tbk": 3, "gb": 100, "gbk": 1, "fs": [1, 2]},
            {"tb": 10, "tbk": 1, "gb": 7, "gbk": 1, "fs": [1, 3]}
        ],
        "ftbl": ["[root]", "0x1: malloc (in /usr/libexec/x.so)", "0x2: a::<T>::b (a.rs:7)", "0x9: a::<T>::b (a.rs:8)"]
    }"#;

    #[test]
    fn a_report_is_added_up_by_function() {
        let heap = Heap::read(REPORT).unwrap();
        let place = vec!["malloc".to_owned(), "a::<T>::b".to_owned()];
        assert_eq!(heap.places, BTreeMap::from([(place, [4, 310])]));
        assert_eq!((heap.peak, heap.totals()), (107, [4, 310]));
    }

    #[test]
    fn what_is_no_report_is_an_error() {
        for wrong in ["", "{}", r#"{"pps": [{"fs": [5]}], "ftbl": []}"#] {
            assert!(Heap::read(wrong).is_err(), "{wrong}");
        }
    }
}
