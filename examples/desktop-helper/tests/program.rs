//! The program prints what its documentation shows.

use std::process::Command;

#[test]
fn it_converts_cancels_and_starts_the_helper_again() {
    let output = Command::new(env!("CARGO_BIN_EXE_program"))
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(
        lines,
        [
            "letter.txt: 3 of 3 pages",
            "novel.txt: cancelled after 3 of 1000 pages",
            "crash.txt: the helper has crashed, and is started again",
            "report.txt: 3 of 3 pages",
        ]
    );
}
