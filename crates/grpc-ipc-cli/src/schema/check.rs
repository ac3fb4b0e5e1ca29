//! What descriptors must be before prost-reflect may have them. It panics, or never ends, with some that no compiler
//! writes, but a server may send.

use std::collections::{HashMap, HashSet};

use prost_reflect::prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};

/// What is wrong with `files`.
pub(super) fn check(files: &[FileDescriptorProto]) -> Result<(), String> {
    for file in files {
        let name = file.name();
        match file.syntax() {
            "" | "proto2" | "proto3" => {}
            "editions" => return Err(format!("{name} uses editions; grpc-ipc reads proto2 and proto3")),
            other => {
                return Err(format!("{name} has the syntax {other:?}; grpc-ipc reads proto2 and proto3"));
            }
        }
        if !is_named_well(file) {
            return Err(format!("{name} has a name with control characters in it"));
        }
    }
    match cycle(files) {
        Some(name) => Err(format!("{name} imports itself, or a file that does")),
        None => Ok(()),
    }
}

/// A file that cannot be loaded, because it would have to be loaded first.
fn cycle(files: &[FileDescriptorProto]) -> Option<&str> {
    let mut left: HashMap<&str, &FileDescriptorProto> =
        files.iter().map(|file| (file.name(), file)).collect();
    loop {
        let names: HashSet<&str> = left.keys().copied().collect();
        left.retain(|_, file| file.dependency.iter().any(|name| names.contains(name.as_str())));
        if left.len() == names.len() {
            return left.into_keys().min();
        }
    }
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
    }
}
