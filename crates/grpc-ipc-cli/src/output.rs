//! What is printed on standard output.

use std::io::{self, Write as _};

use crate::failure::Failure;

/// Prints `text` at once, for a reader at the other end of a pipe.
pub(crate) fn print(text: &[u8]) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    output.write_all(text).and_then(|()| output.flush()).map_err(|error| match error.kind() {
        // The reader has seen enough, as `head` has.
        io::ErrorKind::BrokenPipe => Failure::silent(0),
        _ => Failure::new(format!("cannot write to standard output: {error}")),
    })
}
