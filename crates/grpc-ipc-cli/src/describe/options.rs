//! The options of a file's descriptors, including extensions.

use prost_reflect::{DescriptorPool, DynamicMessage, FileDescriptor, Kind, Value};

/// The options in a file, by the paths of its descriptors.
pub(super) struct Options(Option<DynamicMessage>);

impl Options {
    /// Decodes the file as a whole, because prost-reflect panics when it is asked for options that are not valid.
    pub(super) fn of(file: &FileDescriptor) -> Self {
        let name = "google.protobuf.FileDescriptorProto";
        let descriptor = file.parent_pool().get_message_by_name(name);
        let descriptor = descriptor.or_else(|| DescriptorPool::global().get_message_by_name(name));
        Self(descriptor.and_then(|known| DynamicMessage::decode(known, file.encode_to_vec().as_slice()).ok()))
    }

    /// The options of the descriptor at `path`, each as `NAME = VALUE`.
    pub(super) fn at(&self, path: &[i32]) -> Vec<String> {
        self.0.as_ref().and_then(|file| find(file, path)).map(|options| shown(&options)).unwrap_or_default()
    }
}

/// The message `options` of the descriptor at `path`, a list of pairs of a field's number and an index.
fn find(message: &DynamicMessage, path: &[i32]) -> Option<DynamicMessage> {
    let [field, index, rest @ ..] = path else {
        return message.get_field_by_name("options")?.as_message().cloned();
    };
    let list = message.get_field_by_number(u32::try_from(*field).ok()?)?;
    find(list.as_list()?.get(usize::try_from(*index).ok()?)?.as_message()?, rest)
}

fn shown(options: &DynamicMessage) -> Vec<String> {
    let known = options.fields().map(|(field, value)| (field.name().to_owned(), field.kind(), value));
    let extensions = options
        .extensions()
        .map(|(extension, value)| (format!("({})", extension.full_name()), extension.kind(), value));
    let mut lines = Vec::new();
    for (name, kind, value) in known.chain(extensions) {
        // An option that can be given several times.
        let values = value.as_list().unwrap_or(std::slice::from_ref(value));
        lines.extend(values.iter().map(|value| format!("{name} = {}", text(&kind, value))));
    }
    lines
}

/// A value as it is written in a .proto file.
pub(super) fn text(kind: &Kind, value: &Value) -> String {
    let constant = value.as_enum_number().and_then(|number| kind.as_enum()?.get_value(number));
    constant.map_or_else(|| value.to_string(), |constant| constant.name().to_owned())
}
