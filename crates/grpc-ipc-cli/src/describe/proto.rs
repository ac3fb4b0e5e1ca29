//! Descriptors as the text of a .proto file.

use std::fmt::Write as _;

use prost_reflect::{
    Cardinality, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    OneofDescriptor, ServiceDescriptor, Syntax,
};

const INDENT: &str = "  ";

pub(super) fn service(service: &ServiceDescriptor) -> String {
    let mut text = comments(&service.parent_file(), service.path(), "");
    _ = writeln!(text, "service {} {{", service.full_name());
    for method in service.methods() {
        text += &comments(&service.parent_file(), method.path(), INDENT);
        _ = writeln!(text, "{INDENT}{}", rpc(&method));
    }
    text + "}\n"
}

pub(super) fn method(method: &MethodDescriptor) -> String {
    let service = method.parent_service();
    let mut text = comments(&service.parent_file(), method.path(), "");
    _ = writeln!(text, "// {}/{}", service.full_name(), method.name());
    _ = writeln!(text, "{}", rpc(method));
    text
}

fn rpc(method: &MethodDescriptor) -> String {
    let stream = |is: bool| if is { "stream " } else { "" };
    format!(
        "rpc {}({}{}) returns ({}{});",
        method.name(),
        stream(method.is_client_streaming()),
        method.input().full_name(),
        stream(method.is_server_streaming()),
        method.output().full_name()
    )
}

pub(super) fn message(message: &MessageDescriptor) -> String {
    let mut text = String::new();
    write_message(&mut text, message, message.full_name(), "");
    text
}

pub(super) fn enumeration(found: &EnumDescriptor) -> String {
    let mut text = String::new();
    write_enum(&mut text, found, found.full_name(), "");
    text
}

fn write_message(text: &mut String, message: &MessageDescriptor, name: &str, indent: &str) {
    *text += &comments(&message.parent_file(), message.path(), indent);
    _ = writeln!(text, "{indent}message {name} {{");
    let inner = format!("{indent}{INDENT}");
    let mut oneofs: Vec<OneofDescriptor> = Vec::new();
    for field in message.fields() {
        match field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
            None => write_field(text, &field, &inner),
            Some(oneof) if !oneofs.contains(&oneof) => {
                _ = writeln!(text, "{inner}oneof {} {{", oneof.name());
                for field in oneof.fields() {
                    write_field(text, &field, &format!("{inner}{INDENT}"));
                }
                _ = writeln!(text, "{inner}}}");
                oneofs.push(oneof);
            }
            Some(_) => {}
        }
    }
    for child in message.child_messages().filter(|child| !child.is_map_entry()) {
        write_message(text, &child, child.name(), &inner);
    }
    for child in message.child_enums() {
        write_enum(text, &child, child.name(), &inner);
    }
    _ = writeln!(text, "{indent}}}");
}

fn write_field(text: &mut String, field: &FieldDescriptor, indent: &str) {
    *text += &comments(&field.parent_file(), field.path(), indent);
    let deprecated =
        field.field_descriptor_proto().options.as_ref().is_some_and(|options| options.deprecated());
    let options = if deprecated { " [deprecated = true]" } else { "" };
    _ = writeln!(
        text,
        "{indent}{}{} {} = {}{options};",
        label(field),
        kind(field),
        field.name(),
        field.number()
    );
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

fn write_enum(text: &mut String, found: &EnumDescriptor, name: &str, indent: &str) {
    *text += &comments(&found.parent_file(), found.path(), indent);
    _ = writeln!(text, "{indent}enum {name} {{");
    for value in found.values() {
        *text += &comments(&found.parent_file(), value.path(), &format!("{indent}{INDENT}"));
        _ = writeln!(text, "{indent}{INDENT}{} = {};", value.name(), value.number());
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
