//! The JSON of a message with every field, to begin with.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

/// How deep messages are filled that are inside of others.
const DEPTH: usize = 4;

pub(super) fn json(message: &MessageDescriptor) -> String {
    format!("{:#}\n", of_message(message, &mut Vec::new()))
}

fn of_message(message: &MessageDescriptor, outer: &mut Vec<MessageDescriptor>) -> Value {
    if let Some(value) = well_known(message.full_name()) {
        return value;
    }
    // A message that holds itself would never end.
    if outer.len() >= DEPTH || outer.contains(message) {
        return json!({});
    }
    outer.push(message.clone());
    let mut fields = Map::new();
    let mut oneofs = Vec::new();
    for field in message.fields() {
        if let Some(oneof) = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
            // Only one of them may be there.
            if oneofs.contains(&oneof) {
                continue;
            }
            oneofs.push(oneof);
        }
        fields.insert(field.json_name().to_owned(), of_field(&field, outer));
    }
    outer.pop();
    Value::Object(fields)
}

fn of_field(field: &FieldDescriptor, outer: &mut Vec<MessageDescriptor>) -> Value {
    if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
        let key = match of_kind(&entry.map_entry_key_field().kind(), outer) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let value = of_kind(&entry.map_entry_value_field().kind(), outer);
        return Value::Object(Map::from_iter([(key, value)]));
    }
    let value = of_kind(&field.kind(), outer);
    if field.is_list() { json!([value]) } else { value }
}

fn of_kind(kind: &Kind, outer: &mut Vec<MessageDescriptor>) -> Value {
    match kind {
        Kind::Message(message) => of_message(message, outer),
        Kind::Enum(found) => json!(found.default_value().name()),
        Kind::Bool => json!(false),
        Kind::String | Kind::Bytes => json!(""),
        Kind::Double | Kind::Float => json!(0.0),
        // JSON has these as text, because JavaScript cannot have all of them as numbers.
        Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => json!("0"),
        _ => json!(0),
    }
}

/// Google's messages that have a form of their own in JSON.
fn well_known(name: &str) -> Option<Value> {
    Some(match name.strip_prefix("google.protobuf.")? {
        "Timestamp" => json!("1970-01-01T00:00:00Z"),
        "Duration" => json!("0s"),
        "FieldMask" | "StringValue" | "BytesValue" => json!(""),
        "Struct" => json!({}),
        "ListValue" => json!([]),
        "Value" => json!(null),
        "BoolValue" => json!(false),
        "DoubleValue" | "FloatValue" => json!(0.0),
        "Int32Value" | "UInt32Value" => json!(0),
        "Int64Value" | "UInt64Value" => json!("0"),
        "Any" => json!({ "@type": "type.googleapis.com/google.protobuf.Empty", "value": {} }),
        _ => return None,
    })
}
