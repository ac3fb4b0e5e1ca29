//! JSON values one after the other, as messages.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use prost_reflect::{DeserializeOptions, DynamicMessage, Kind, MessageDescriptor};
use serde_json::Deserializer;
use serde_json::de::IoRead;
use serde_json::error::Category;

use crate::failure::Failure;
use crate::suggest::did_you_mean;

/// How many characters of a line are shown.
const SHOWN: usize = 72;

/// The messages of one source of JSON.
pub(super) struct Messages {
    name: String,
    json: Deserializer<IoRead<Recorded>>,
    line: Line,
    message: MessageDescriptor,
    options: DeserializeOptions,
    is_over: bool,
}

impl Messages {
    pub(super) fn new(
        name: String,
        source: Box<dyn Read + Send>,
        message: MessageDescriptor,
        allow_unknown_fields: bool,
    ) -> Self {
        let line = Line::default();
        let json = Deserializer::from_reader(Recorded { source, line: line.clone() });
        let options = DeserializeOptions::new().deny_unknown_fields(!allow_unknown_fields);
        Self { name, json, line, message, options, is_over: false }
    }

    /// What is wrong, where, and what it may have to be.
    fn failure(&self, error: &serde_json::Error) -> Failure {
        if error.classify() == Category::Io {
            return Failure::new(format!("cannot read {}: {error}", self.name));
        }
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let reason = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
        let place = format!("line {line}, column {column}");
        let mut message = format!("the JSON of {} is wrong at {place}: {reason}", self.name);
        message.push_str(&self.line.shown(column));
        Failure::wrong_input(message).hints(self.hint(reason))
    }

    fn hint(&self, reason: &str) -> Option<String> {
        let wrong = |start: &str| reason.strip_prefix(start)?.strip_suffix('\'');
        if let Some(field) = wrong("unrecognized field name '") {
            let message = at_hand(&self.message, &self.line.path())?;
            let fields: Vec<_> = message.fields().map(|field| field.json_name().to_owned()).collect();
            return did_you_mean(field, fields.iter().map(String::as_str)).or_else(|| {
                let name = message.full_name();
                match fields.as_slice() {
                    [] => Some(format!("{name} has no fields: send {{}}")),
                    fields => Some(format!("The fields of {name} are: {}", fields.join(", "))),
                }
            });
        }
        let value = wrong("unrecognized enum value '")?;
        let names = names(&self.message, |message| {
            let enums = message.fields().filter_map(|field| field.kind().as_enum().cloned());
            enums
                .flat_map(|known| known.values().map(|value| value.name().to_owned()).collect::<Vec<_>>())
                .collect()
        });
        did_you_mean(value, names.iter().map(String::as_str))
            .or_else(|| Some(format!("The values are: {}", names.join(", "))))
    }
}

impl Iterator for Messages {
    type Item = Result<DynamicMessage, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        // At the end there may be white space only.
        if self.is_over || self.json.end().is_ok() {
            return None;
        }
        let message =
            DynamicMessage::deserialize_with_options(self.message.clone(), &mut self.json, &self.options);
        self.is_over = message.is_err();
        Some(message.map_err(|error| self.failure(&error)))
    }
}

/// The message that the object at `path` of the JSON of `outermost` is, if that is known.
fn at_hand(outermost: &MessageDescriptor, path: &[String]) -> Option<MessageDescriptor> {
    let mut message = outermost.clone();
    let mut keys = path.iter();
    while let Some(key) = keys.next() {
        let field = message.get_field_by_json_name(key).or_else(|| message.get_field_by_name(key))?;
        let mut kind = field.kind();
        if field.is_map() {
            // The next one is a key of the map.
            keys.next();
            kind = kind.as_message()?.map_entry_value_field().kind();
        }
        message = kind.as_message()?.clone();
    }
    Some(message)
}

/// What `names` says of a message and of those inside of it.
fn names(message: &MessageDescriptor, names: impl Fn(&MessageDescriptor) -> Vec<String>) -> Vec<String> {
    let mut seen = vec![message.clone()];
    let mut next = VecDeque::from([message.clone()]);
    let mut found = Vec::new();
    while let Some(message) = next.pop_front() {
        found.extend(names(&message));
        for field in message.fields() {
            if let Kind::Message(inner) = field.kind()
                && !seen.contains(&inner)
            {
                seen.push(inner.clone());
                next.push_back(inner);
            }
        }
    }
    found
}

/// Keeps the line that is being read, for the message about an error in it.
struct Recorded {
    source: Box<dyn Read + Send>,
    line: Line,
}

impl Read for Recorded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.line.record(&buffer[..length]);
        Ok(length)
    }
}

#[derive(Clone, Default)]
struct Line(Arc<Mutex<Seen>>);

/// What has been read.
#[derive(Default)]
struct Seen {
    line: Vec<u8>,
    /// The last key of each object that has begun. Arrays have none.
    keys: Vec<Option<String>>,
    /// The text that has begun, as far as keys are long.
    text: Option<Vec<u8>>,
    is_escaped: bool,
    last: String,
}

impl Seen {
    fn record(&mut self, byte: u8) {
        if self.line.last() == Some(&b'\n') {
            self.line.clear();
        }
        self.line.push(byte);
        match (&mut self.text, byte) {
            (Some(_), b'\\') if !self.is_escaped => self.is_escaped = true,
            (Some(text), b'"') if !self.is_escaped => {
                self.last = String::from_utf8_lossy(text).into_owned();
                self.text = None;
            }
            (Some(text), byte) => {
                self.is_escaped = false;
                if text.len() < 256 {
                    text.push(byte);
                }
            }
            (None, b'"') => self.text = Some(Vec::new()),
            (None, b':') => {
                if let Some(key) = self.keys.last_mut() {
                    *key = Some(mem::take(&mut self.last));
                }
            }
            (None, b'{' | b'[') => self.keys.push(None),
            (None, b'}' | b']') => _ = self.keys.pop(),
            (None, _) => {}
        }
    }
}

impl Line {
    fn record(&self, bytes: &[u8]) {
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.iter().for_each(|byte| read.record(*byte));
    }

    /// The keys of the objects around the one that is being read.
    fn path(&self) -> Vec<String> {
        let read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let outer = read.keys.len().saturating_sub(1);
        read.keys[..outer].iter().flatten().cloned().collect()
    }

    /// The line as far as it was read, and a mark below `column`, which counts bytes from 1.
    fn shown(&self, column: usize) -> String {
        let read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = &read.line;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let before = String::from_utf8_lossy(&line[..column.min(line.len())]);
        let skipped = before.chars().count().saturating_sub(SHOWN);
        let before: String = before.chars().skip(skipped).collect();
        if before.trim().is_empty() {
            return String::new();
        }
        let mark = " ".repeat(before.chars().count() - 1);
        format!("\n  {before}\n  {mark}^")
    }
}
