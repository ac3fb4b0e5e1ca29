//! What descriptors must be before prost-reflect may have them. It panics, or never ends, with some that no compiler
//! writes, but a server may send.

use std::collections::HashMap;

use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};

/// On how many ways a file may import others. Real files have some hundreds.
const WAYS: u64 = 100_000;

/// What is wrong with `files`.
pub(super) fn check(files: &[FileDescriptorProto]) -> Result<(), String> {
    for file in files {
        let name = file.name();
        match file.syntax.as_deref() {
            None | Some("proto2" | "proto3") => {}
            Some("editions") => {
                return Err(format!("{name} uses editions; grpc-ipc reads proto2 and proto3"));
            }
            Some(other) => {
                return Err(format!("{name} has the syntax {other:?}; grpc-ipc reads proto2 and proto3"));
            }
        }
        if !is_named_well(file) {
            return Err(format!("{name} has a name with control characters in it"));
        }
        if !file.message_type.iter().all(has_whole_maps) {
            return Err(format!("{name} has a map without a key, a value, or a type that keys may have"));
        }
    }
    imports(files)
}

/// Fails if a file would have to be loaded before itself, or too often.
fn imports(files: &[FileDescriptorProto]) -> Result<(), String> {
    let mut left: HashMap<&str, &FileDescriptorProto> =
        files.iter().map(|file| (file.name(), file)).collect();
    // On how many ways of imports prost-reflect may walk from each file: it does not remember where it has been.
    let mut ways: HashMap<&str, u64> = HashMap::new();
    while !left.is_empty() {
        let is_left = |name: &String| left.contains_key(name.as_str());
        let ready: Vec<&FileDescriptorProto> =
            left.values().filter(|file| !file.dependency.iter().any(is_left)).copied().collect();
        if ready.is_empty() {
            let name = left.into_keys().min().unwrap_or_default();
            return Err(format!("{name} imports itself, or a file that does"));
        }
        for file in ready {
            let imported = file.dependency.iter().map(|name| ways.get(name.as_str()).copied().unwrap_or(1));
            let here = imported.fold(1, u64::saturating_add);
            if here > WAYS {
                return Err(format!("{} imports the same files on too many ways", file.name()));
            }
            ways.insert(file.name(), here);
            left.remove(file.name());
        }
    }
    Ok(())
}

/// Whether each map has a key and a value, which are the fields of a message of its own.
fn has_whole_maps(message: &DescriptorProto) -> bool {
    let field = |number| {
        let mut fields = message.field.iter();
        fields.find(|field| field.number() == number && field.label() != Label::Repeated)
    };
    let is_map = message.options.as_ref().is_some_and(|options| options.map_entry());
    let is_whole = || {
        let is_key = |of| {
            !matches!(of, Type::Double | Type::Float | Type::Bytes | Type::Enum | Type::Message | Type::Group)
        };
        field(1).is_some_and(|key| is_key(key.r#type())) && field(2).is_some()
    };
    (!is_map || is_whole()) && message.nested_type.iter().all(has_whole_maps)
}

/// Whether all names can be printed.
fn is_named_well(file: &FileDescriptorProto) -> bool {
    let mut services = file.service.iter();
    is_printable(file.package())
        && file.message_type.iter().all(message)
        && file.enum_type.iter().all(enumeration)
        && file.extension.iter().all(|field| is_printable(field.name()))
        && services.all(|service| {
            is_printable(service.name()) && service.method.iter().all(|method| is_printable(method.name()))
        })
}

fn message(message: &DescriptorProto) -> bool {
    let mut fields = message.field.iter().chain(&message.extension);
    is_printable(message.name())
        && fields.all(|field| is_printable(field.name()) && is_printable(field.json_name()))
        && message.oneof_decl.iter().all(|oneof| is_printable(oneof.name()))
        && message.nested_type.iter().all(self::message)
        && message.enum_type.iter().all(enumeration)
}

fn enumeration(found: &EnumDescriptorProto) -> bool {
    is_printable(found.name()) && found.value.iter().all(|value| is_printable(value.name()))
}

fn is_printable(name: &str) -> bool {
    !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use prost_reflect::prost_types::{FieldDescriptorProto, MessageOptions};

    use super::*;

    fn file(name: &str, imports: &[&str]) -> FileDescriptorProto {
        FileDescriptorProto {
            name: Some(name.to_owned()),
            dependency: imports.iter().map(|&name| name.to_owned()).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn what_prost_reflect_cannot_bear_is_refused() {
        assert_eq!(check(&[file("a", &["b", "c"]), file("b", &["c"]), file("c", &["elsewhere"])]), Ok(()));
        let said = check(&[file("a", &["b"]), file("b", &["a"]), file("c", &["a"])]);
        assert_eq!(said, Err("a imports itself, or a file that does".to_owned()));
        let said = check(&[FileDescriptorProto { syntax: Some("editions".to_owned()), ..file("a", &[]) }]);
        assert_eq!(said, Err("a uses editions; grpc-ipc reads proto2 and proto3".to_owned()));
        let said = check(&[FileDescriptorProto { package: Some("a\nb".to_owned()), ..file("a", &[]) }]);
        assert_eq!(said, Err("a has a name with control characters in it".to_owned()));
        let said = check(&[FileDescriptorProto { syntax: Some(String::new()), ..file("a", &[]) }]);
        assert_eq!(said, Err("a has the syntax \"\"; grpc-ipc reads proto2 and proto3".to_owned()));
    }

    #[test]
    fn files_that_import_others_on_many_ways_are_refused() {
        let name = |layer: usize, which: char| format!("{layer}{which}");
        let files: Vec<_> = (0..40)
            .flat_map(|layer| ['a', 'b'].map(|which| (layer, which)))
            .map(|(layer, which)| {
                let imports = [name(layer + 1, 'a'), name(layer + 1, 'b')];
                file(&name(layer, which), &imports.each_ref().map(String::as_str))
            })
            .collect();
        assert!(check(&files).unwrap_err().ends_with(" imports the same files on too many ways"));
    }

    #[test]
    fn maps_that_are_not_whole_are_refused() {
        let field = |number, of: Type| FieldDescriptorProto {
            number: Some(number),
            r#type: Some(of as i32),
            ..Default::default()
        };
        let map = |field: Vec<FieldDescriptorProto>| {
            let options = Some(MessageOptions { map_entry: Some(true), ..Default::default() });
            let entry = DescriptorProto { field, options, ..Default::default() };
            let outer = DescriptorProto { nested_type: vec![entry], ..Default::default() };
            check(&[FileDescriptorProto { message_type: vec![outer], ..file("a", &[]) }])
        };
        let value = field(2, Type::Message);
        assert_eq!(map(vec![field(1, Type::String), value.clone()]), Ok(()));
        let repeated = FieldDescriptorProto { label: Some(Label::Repeated as i32), ..value.clone() };
        for wrong in [
            vec![],
            vec![field(1, Type::String)],
            vec![value.clone()],
            vec![field(1, Type::Bytes), value],
            vec![field(1, Type::String), repeated],
        ] {
            assert!(map(wrong).unwrap_err().contains("a map without"));
        }
    }
}
