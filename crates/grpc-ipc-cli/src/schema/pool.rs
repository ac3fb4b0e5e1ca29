//! Pools of descriptors that grow.

use std::collections::HashSet;

use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::{DescriptorProto, FileDescriptorProto};
use prost_reflect::{DescriptorPool, DynamicMessage, MapKey, ReflectMessage as _, Value};

use super::Schema;
use super::check::check;
use crate::failure::Failure;
use crate::output::escaped;

/// `pool` with `files`, without the imports that are `missing`.
pub(super) fn with_files(
    pool: &DescriptorPool,
    mut files: Vec<FileDescriptorProto>,
    missing: &HashSet<String>,
) -> Result<DescriptorPool, Failure> {
    files.retain(|file| pool.get_file_by_name(file.name()).is_none());
    for file in &mut files {
        leave_out(file, missing);
    }
    check(&files).map_err(Failure::new)?;
    let mut pool = pool.clone();
    pool.add_file_descriptor_protos(files).map_err(|error| {
        let failure = Failure::new(format!("the server's schema is not complete: {error}"));
        if missing.is_empty() {
            return failure;
        }
        let mut missing: Vec<_> = missing.iter().map(String::as_str).collect();
        missing.sort_unstable();
        failure.hint(format!(
            "The server does not have these files, which others import: {}. Use the files themselves: --proto FILE",
            missing.join(", ")
        ))
    })?;
    Ok(pool)
}

/// Removes imports, and with them the numbers that point to others.
fn leave_out(file: &mut FileDescriptorProto, missing: &HashSet<String>) {
    if !file.dependency.iter().any(|name| missing.contains(name)) {
        return;
    }
    let public: HashSet<String> = file
        .public_dependency
        .iter()
        .filter_map(|at| file.dependency.get(usize::try_from(*at).ok()?).cloned())
        .collect();
    file.dependency.retain(|name| !missing.contains(name));
    file.weak_dependency.clear();
    file.public_dependency =
        (0..).zip(&file.dependency).filter(|(_, name)| public.contains(*name)).map(|(at, _)| at).collect();
}

/// `message` in a schema that has the types inside of each `google.protobuf.Any`. One that nobody knows is shown without
/// its fields.
pub(super) async fn complete(
    schema: &mut Schema,
    message: DynamicMessage,
) -> Result<DynamicMessage, Failure> {
    let mut message = message;
    // An `Any` may hold another one.
    for _ in 0..8 {
        let mut unknown = HashSet::new();
        types_of_any(&message, &mut unknown);
        if unknown.is_empty() {
            break;
        }
        for name in unknown {
            if schema.look_up(&name).await?.is_some() {
                continue;
            }
            let shown = escaped(&name);
            eprintln!("note: the type {shown} is not in the schema; its fields are not shown");
            let placeholder = placeholder(&name);
            let pool = schema.pool_mut();
            *pool = with_files(pool, vec![placeholder], &HashSet::new())?;
        }
        let name = message.descriptor().full_name().to_owned();
        if let Some(descriptor) = schema.pool().get_message_by_name(&name) {
            let again = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice());
            message = again.map_err(|error| Failure::new(format!("a response is not a {name}: {error}")))?;
        }
    }
    Ok(message)
}

/// The types that are inside of an `Any`, and not in the message's own pool.
fn types_of_any(message: &DynamicMessage, unknown: &mut HashSet<String>) {
    let descriptor = message.descriptor();
    let pool = descriptor.parent_pool();
    if descriptor.full_name() == "google.protobuf.Any" {
        let field = |name| message.get_field_by_name(name);
        let (Some(url), Some(bytes)) = (field("type_url"), field("value")) else { return };
        let name = url.as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        match pool.get_message_by_name(name) {
            None if !name.is_empty() => _ = unknown.insert(name.to_owned()),
            None => {}
            Some(descriptor) => {
                let inner = DynamicMessage::decode(descriptor, bytes.as_bytes().cloned().unwrap_or_default());
                if let Ok(inner) = inner {
                    types_of_any(&inner, unknown);
                }
            }
        }
        return;
    }
    for (_, value) in message.fields() {
        in_value(value, unknown);
    }
}

fn in_value(value: &Value, unknown: &mut HashSet<String>) {
    match value {
        Value::Message(message) => types_of_any(message, unknown),
        Value::List(values) => values.iter().for_each(|value| in_value(value, unknown)),
        Value::Map(values) => values.iter().for_each(|(_, value): (&MapKey, _)| in_value(value, unknown)),
        _ => {}
    }
}

/// A file with an empty message called `name`.
fn placeholder(name: &str) -> FileDescriptorProto {
    let (package, message) = name.rsplit_once('.').unwrap_or(("", name));
    FileDescriptorProto {
        name: Some(format!("{name}.placeholder")),
        package: Some(package.to_owned()),
        message_type: vec![DescriptorProto { name: Some(message.to_owned()), ..Default::default() }],
        syntax: Some("proto3".to_owned()),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use prost_reflect::prost_types::field_descriptor_proto::Type;
    use prost_reflect::prost_types::{Any, FieldDescriptorProto};

    use super::*;

    /// A message with a field of the type `of`, in a file that imports `missing.proto`.
    fn file(of: &str) -> FileDescriptorProto {
        let field = FieldDescriptorProto {
            name: Some("field".to_owned()),
            number: Some(1),
            r#type: Some(Type::Message as i32),
            type_name: Some(of.to_owned()),
            ..Default::default()
        };
        let message =
            DescriptorProto { name: Some("M".to_owned()), field: vec![field], ..Default::default() };
        FileDescriptorProto {
            name: Some("m.proto".to_owned()),
            dependency: vec!["missing.proto".to_owned(), "google/protobuf/any.proto".to_owned()],
            public_dependency: vec![1],
            message_type: vec![message],
            syntax: Some("proto3".to_owned()),
            ..Default::default()
        }
    }

    #[test]
    fn an_import_that_the_server_does_not_have_is_left_out() {
        let missing = HashSet::from(["missing.proto".to_owned()]);
        let add = |of| with_files(&DescriptorPool::global(), vec![file(of)], &missing);
        assert!(add(".google.protobuf.Any").unwrap().get_message_by_name("M").is_some());
        let said = add(".other.Type").unwrap_err().to_string();
        assert!(said.contains("which others import: missing.proto."), "{said}");
    }

    #[test]
    fn an_any_of_an_unknown_type_is_shown_without_its_fields() {
        let any = Any { type_url: "type.googleapis.com/x.Y".to_owned(), value: vec![8, 1] };
        let descriptor = DescriptorPool::global().get_message_by_name("google.protobuf.Any").unwrap();
        let message = DynamicMessage::decode(descriptor, any.encode_to_vec().as_slice()).unwrap();
        let mut schema = Schema::Files(DescriptorPool::global());
        let complete = complete(&mut schema, message).now_or_never().unwrap().unwrap();
        assert_eq!(serde_json::to_string(&complete).unwrap(), r#"{"@type":"type.googleapis.com/x.Y"}"#);
    }
}
