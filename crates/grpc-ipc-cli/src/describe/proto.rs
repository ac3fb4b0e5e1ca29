//! Descriptors as the text of a .proto file.

use std::fmt::Write as _;

use prost_reflect::{
    Cardinality, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    OneofDescriptor, ServiceDescriptor, Syntax,
};

use super::options::{self, Options};

const INDENT: &str = "  ";
/// The highest number that a field can have.
const LAST_FIELD: u32 = (1 << 29) - 1;

pub(super) fn service(service: &ServiceDescriptor) -> String {
    let options = Options::of(&service.parent_file());
    let mut text = comments(&service.parent_file(), service.path(), "");
    _ = writeln!(text, "// {}\nservice {} {{", service.full_name(), service.name());
    write_options(&mut text, &options, service.path(), INDENT);
    for method in service.methods() {
        text += &comments(&service.parent_file(), method.path(), INDENT);
        write_rpc(&mut text, &method, &options, INDENT);
    }
    text + "}\n"
}

pub(super) fn method(method: &MethodDescriptor) -> String {
    let service = method.parent_service();
    let mut text = comments(&service.parent_file(), method.path(), "");
    _ = writeln!(text, "// {}/{}", service.full_name(), method.name());
    write_rpc(&mut text, method, &Options::of(&service.parent_file()), "");
    text
}

fn write_rpc(text: &mut String, method: &MethodDescriptor, options: &Options, indent: &str) {
    let stream = |is: bool| if is { "stream " } else { "" };
    let mut body = String::new();
    write_options(&mut body, options, method.path(), &format!("{indent}{INDENT}"));
    let end = if body.is_empty() { ";".to_owned() } else { format!(" {{\n{body}{indent}}}") };
    _ = writeln!(
        text,
        "{indent}rpc {}({}{}) returns ({}{}){end}",
        method.name(),
        stream(method.is_client_streaming()),
        method.input().full_name(),
        stream(method.is_server_streaming()),
        method.output().full_name()
    );
}

/// A line for each option of the descriptor at `path`.
fn write_options(text: &mut String, options: &Options, path: &[i32], indent: &str) {
    for option in options.at(path) {
        _ = writeln!(text, "{indent}option {option};");
    }
}

pub(super) fn message(message: &MessageDescriptor) -> String {
    let mut text = String::new();
    write_message(&mut text, message, &Options::of(&message.parent_file()), "");
    text
}

pub(super) fn enumeration(found: &EnumDescriptor) -> String {
    let mut text = String::new();
    write_enum(&mut text, found, &Options::of(&found.parent_file()), "");
    text
}

/// The full name of a type that is not inside another one here.
fn write_name(text: &mut String, full_name: &str, indent: &str) {
    if indent.is_empty() {
        _ = writeln!(text, "// {full_name}");
    }
}

fn write_message(text: &mut String, message: &MessageDescriptor, options: &Options, indent: &str) {
    *text += &comments(&message.parent_file(), message.path(), indent);
    write_name(text, message.full_name(), indent);
    _ = writeln!(text, "{indent}message {} {{", message.name());
    let inner = format!("{indent}{INDENT}");
    write_options(text, options, message.path(), &inner);
    // In descriptors of messages, the end of a range is the number behind it.
    let ranges = message.reserved_ranges().map(|range| (range.start.into(), i64::from(range.end) - 1));
    write_reserved(text, ranges, i64::from(LAST_FIELD), message.reserved_names(), &inner);
    let ranges = message.extension_ranges().map(|range| (range.start.into(), i64::from(range.end) - 1));
    write_ranges(text, "extensions", ranges, i64::from(LAST_FIELD), &inner);
    let mut oneofs: Vec<OneofDescriptor> = Vec::new();
    for field in message.fields() {
        match field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
            None => write_field(text, &field, options, &inner),
            Some(oneof) if !oneofs.contains(&oneof) => {
                _ = writeln!(text, "{inner}oneof {} {{", oneof.name());
                for field in oneof.fields() {
                    write_field(text, &field, options, &format!("{inner}{INDENT}"));
                }
                _ = writeln!(text, "{inner}}}");
                oneofs.push(oneof);
            }
            Some(_) => {}
        }
    }
    for child in message.child_messages().filter(|child| !child.is_map_entry()) {
        write_message(text, &child, options, &inner);
    }
    for child in message.child_enums() {
        write_enum(text, &child, options, &inner);
    }
    _ = writeln!(text, "{indent}}}");
}

/// Numbers and names that must not be used again.
fn write_reserved<'a>(
    text: &mut String,
    ranges: impl Iterator<Item = (i64, i64)>,
    last: i64,
    names: impl Iterator<Item = &'a str>,
    indent: &str,
) {
    write_ranges(text, "reserved", ranges, last, indent);
    let names: Vec<_> = names.map(|name| format!("{name:?}")).collect();
    if !names.is_empty() {
        _ = writeln!(text, "{indent}reserved {};", names.join(", "));
    }
}

/// Ranges with their ends; `last` is the highest number of all.
fn write_ranges(
    text: &mut String,
    what: &str,
    ranges: impl Iterator<Item = (i64, i64)>,
    last: i64,
    indent: &str,
) {
    let ranges = ranges.map(|(start, end)| match end {
        end if end == start => format!("{start}"),
        end if end == last => format!("{start} to max"),
        end => format!("{start} to {end}"),
    });
    let ranges: Vec<_> = ranges.collect();
    if !ranges.is_empty() {
        _ = writeln!(text, "{indent}{what} {};", ranges.join(", "));
    }
}

fn write_field(text: &mut String, field: &FieldDescriptor, options: &Options, indent: &str) {
    *text += &comments(&field.parent_file(), field.path(), indent);
    let mut all = Vec::new();
    if field.field_descriptor_proto().default_value.is_some() {
        all.push(format!("default = {}", options::text(&field.kind(), &field.default_value())));
    }
    if field.json_name() != json_name(field.name()) {
        all.push(format!("json_name = {:?}", field.json_name()));
    }
    all.extend(options.at(field.path()));
    let options = in_brackets(&all);
    _ = writeln!(
        text,
        "{indent}{}{} {} = {}{options};",
        label(field),
        kind(field),
        field.name(),
        field.number()
    );
}

fn in_brackets(options: &[String]) -> String {
    if options.is_empty() { String::new() } else { format!(" [{}]", options.join(", ")) }
}

/// The name in JSON of a field that has no other one.
fn json_name(name: &str) -> String {
    let mut words = name.split('_');
    let mut json = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut rest = word.chars();
        json.extend(rest.next().map(|first| first.to_ascii_uppercase()));
        json.push_str(rest.as_str());
    }
    json
}

fn label(field: &FieldDescriptor) -> &'static str {
    let is_alone = field.containing_oneof().is_none_or(|oneof| oneof.is_synthetic());
    match field.cardinality() {
        Cardinality::Repeated if field.is_map() => "",
        Cardinality::Repeated => "repeated ",
        Cardinality::Required => "required ",
        Cardinality::Optional if !is_alone => "",
        Cardinality::Optional
            if field.parent_file().syntax() == Syntax::Proto2
                || field.field_descriptor_proto().proto3_optional() =>
        {
            "optional "
        }
        Cardinality::Optional => "",
    }
}

fn kind(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            format!("map<{}, {}>", kind(&entry.map_entry_key_field()), kind(&entry.map_entry_value_field()))
        }
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(found) => found.full_name().to_owned(),
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}

fn write_enum(text: &mut String, found: &EnumDescriptor, options: &Options, indent: &str) {
    *text += &comments(&found.parent_file(), found.path(), indent);
    write_name(text, found.full_name(), indent);
    _ = writeln!(text, "{indent}enum {} {{", found.name());
    let inner = format!("{indent}{INDENT}");
    write_options(text, options, found.path(), &inner);
    let ranges = found.reserved_ranges().map(|range| ((*range.start()).into(), (*range.end()).into()));
    write_reserved(text, ranges, i32::MAX.into(), found.reserved_names(), &inner);
    // As they are in the file: the first one is the default.
    let mut values: Vec<_> = found.values().collect();
    values.sort_by_key(|value| value.path().last().copied());
    for value in values {
        *text += &comments(&found.parent_file(), value.path(), &inner);
        let options = in_brackets(&options.at(value.path()));
        _ = writeln!(text, "{inner}{} = {}{options};", value.name(), value.number());
    }
    _ = writeln!(text, "{indent}}}");
}

/// The comments in front of what is at `path` of `file`. Servers do not tell them, files do.
fn comments(file: &FileDescriptor, path: &[i32], indent: &str) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let location = info.and_then(|info| info.location.iter().find(|location| location.path == path));
    let comments = location.map(|location| location.leading_comments()).unwrap_or_default();
    comments.lines().fold(String::new(), |text, line| text + format!("{indent}//{line}").trim_end() + "\n")
}
