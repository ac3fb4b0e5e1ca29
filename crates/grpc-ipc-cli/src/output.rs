//! What is printed on standard output.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::Serializer;

use crate::failure::Failure;

/// Prints `text` at once, for a reader at the other end of a pipe.
pub(crate) fn print(text: &[u8]) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    output.write_all(text).and_then(|()| output.flush()).map_err(|error| match error.kind() {
        // The reader has seen enough, as `head` has.
        io::ErrorKind::BrokenPipe => Failure::done(),
        _ => Failure::new(format!("cannot write to standard output: {error}")),
    })
}

pub(crate) fn print_lines(lines: &[String]) -> Result<(), Failure> {
    let text: String = lines.iter().map(|line| escaped(line) + "\n").collect();
    print(text.as_bytes())
}

/// `text` that another process has written, on one line: without control characters, which would let it forge lines or
/// command the terminal.
pub(crate) fn escaped(text: &str) -> String {
    escape(text, |_| false)
}

/// As [`escaped`], for text whose lines are ours.
pub(crate) fn escaped_lines(text: &str) -> String {
    escape(text, |c| matches!(c, '\n' | '\t'))
}

/// JSON with its lines, without control characters: JSON itself lets some of them stand.
pub(crate) fn escaped_json(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        match c.is_control() && c != '\n' {
            true => _ = write!(escaped, "\\u{:04x}", u32::from(c)),
            false => escaped.push(c),
        }
        escaped
    })
}

fn escape(text: &str, is_kept: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() && !is_kept(c) {
            true => escaped.extend(c.escape_debug()),
            false => escaped.push(c),
        }
    }
    escaped
}

/// How messages are printed.
#[derive(Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArguments {
    /// Prints each message on one line. Default if the output is not a terminal
    #[arg(short, long, conflicts_with = "pretty")]
    compact: bool,
    /// Prints each field on a line of its own. Default on a terminal
    #[arg(long)]
    pretty: bool,
    /// Prints fields that have their default value, too
    #[arg(long)]
    emit_defaults: bool,
    /// Prints the names of fields as they are in the .proto file, and not in camelCase
    #[arg(long)]
    proto_names: bool,
    /// Prints the numbers of enumerations instead of the names
    #[arg(long)]
    enum_numbers: bool,
}

impl OutputArguments {
    /// Prints `message` as JSON, and a newline.
    pub(crate) fn print(&self, message: &DynamicMessage) -> Result<(), Failure> {
        let options = SerializeOptions::new()
            .skip_default_fields(!self.emit_defaults)
            .use_proto_field_name(self.proto_names)
            .use_enum_numbers(self.enum_numbers);
        let mut text = Vec::new();
        let pretty = self.pretty || !self.compact && io::stdout().is_terminal();
        let written = match pretty {
            true => message.serialize_with_options(&mut Serializer::pretty(&mut text), &options),
            false => message.serialize_with_options(&mut Serializer::new(&mut text), &options),
        };
        written.map_err(|error| Failure::new(format!("a response has no form in JSON: {error}")))?;
        text.push(b'\n');
        match String::from_utf8(text) {
            Ok(text) => print(escaped_json(&text).as_bytes()),
            Err(error) => print(error.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        let text = "é \"a\"\n\t\x1b[2K\u{9b}\r";
        assert_eq!(escaped(text), r#"é "a"\n\t\u{1b}[2K\u{9b}\r"#);
        assert_eq!(escaped_json("{\n\"\u{9b}\u{7f}"), "{\n\"\\u009b\\u007f");
        assert_eq!(escaped_lines(text), "é \"a\"\n\t\\u{1b}[2K\\u{9b}\\r");
    }
}
