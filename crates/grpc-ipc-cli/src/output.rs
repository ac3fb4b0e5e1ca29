//! What is printed on standard output.

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
    let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    print(text.as_bytes())
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
        print(&text)
    }
}
