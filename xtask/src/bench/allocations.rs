//! The allocations of a call, and the code that makes them.

use std::fmt::Write as _;

use super::build::Profile;
use super::counted::{Runs, Sides, has};
use super::heap::{DHAT, DHAT_TOTALS, Heap, PROBE};
use super::instructions::{METADATA, ONE};
use super::server::Setup;
use super::stack::Stack;
use super::table::{Row, Table};
use super::{Bench, ONE_CORE};
use crate::Result;

const SECTION: &str = "Allocations";

/// Functions that allocate on behalf of others, and are skipped.
const ALLOCATORS: [&str; 12] = [
    "malloc",
    "calloc",
    "realloc",
    "posix_memalign",
    "aligned_alloc",
    "alloc::",
    "<alloc::",
    "core::",
    "<core::",
    "std::alloc::",
    "__rust",
    "__rdl",
];

pub(super) fn measure(bench: &Bench, table: &mut Table) -> Result {
    if !has(&PROBE, SECTION, table) {
        return Ok(());
    }
    for stack in Stack::COUNTED {
        for shape in [ONE, METADATA] {
            if shape.what != ONE.what && (bench.quick || !Stack::GRPC.contains(&stack)) {
                continue;
            }
            eprintln!("allocations: {}, {}", stack.name(), shape.what);
            let setup = Setup { stack, profile: Profile::Release, placement: ONE_CORE, serve: shape.serve };
            // They are the same in every round.
            for (side, counts) in DHAT_TOTALS.per_call(bench, setup, Runs::CALLS, shape.calls)?.named() {
                for (unit, count) in ["allocations/call", "bytes/call"].iter().zip(counts) {
                    let row =
                        Row::new(SECTION, format!("{}, {side}", shape.what), setup.profile.name(), unit);
                    table.add(row, stack, count);
                }
            }
        }
    }
    if bench.quick {
        return Ok(());
    }
    for stack in [Stack::GrpcIpcTonicCode, Stack::GrpcIpc] {
        let setup = Setup { stack, profile: Profile::Profiling, placement: ONE_CORE, serve: &[] };
        let [short, long] = DHAT.both(bench, setup, Runs::CALLS, ONE.calls)?;
        let sides = Sides { client: (short.client, long.client), server: (short.server, long.server) };
        for (side, (short, long)) in sides.named() {
            table.note(named(stack, side, &short, &long));
        }
    }
    Ok(())
}

/// The code that allocates in every call.
fn named(stack: Stack, side: &str, short: &Heap, long: &Heap) -> String {
    let mut text = format!("Allocations of {}, {}, {side}, by place:\n", stack.name(), ONE.what);
    let calls = f64::from(Runs::CALLS.long - Runs::CALLS.short);
    let mut places: Vec<_> = long
        .places
        .iter()
        .map(|(place, [blocks, bytes])| {
            let before = short.places.get(place).copied().unwrap_or_default();
            let blocks = (*blocks as f64 - before[0] as f64) / calls;
            (blocks, (*bytes as f64 - before[1] as f64) / calls, shown(place))
        })
        .filter(|(blocks, ..)| *blocks >= 0.005)
        .collect();
    places.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.2.cmp(&other.2)));
    for (blocks, bytes, place) in places {
        // Writing to a string cannot fail.
        _ = write!(text, "\n- {blocks:.2}, {bytes:.0} bytes: {place}");
    }
    text
}

/// The innermost functions outside of the allocator.
fn shown(place: &[String]) -> String {
    let place = place.iter().skip_while(|name| ALLOCATORS.iter().any(|start| name.starts_with(start)));
    let names: Vec<_> = place.take(3).map(|name| format!("`{name}`")).collect();
    names.join(" ← ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_every_call_allocates_is_named() {
        let place = |name: &str| {
            vec!["malloc".to_owned(), "alloc::vec::x".to_owned(), name.to_owned(), "main".to_owned()]
        };
        let short = Heap {
            places: BTreeMap::from([(place("setup"), [9, 90]), (place("call"), [1000, 8000])]),
            peak: 0,
        };
        let long = Heap {
            places: BTreeMap::from([(place("setup"), [9, 90]), (place("call"), [3000, 24000])]),
            peak: 0,
        };
        let text = named(Stack::GrpcIpc, "client", &short, &long);
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(lines, ["- 1.00, 8 bytes: `call` ← `main`"]);
    }
}
