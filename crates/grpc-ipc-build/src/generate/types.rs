use syn::Type;

use crate::Error;

/// The Rust types for the wrappers of `google.protobuf`.
const PRIMITIVE: [&str; 8] = ["()", "bool", "i32", "i64", "u32", "u64", "f32", "f64"];

/// The Rust type of a message, as prost-build names it for the module of the package, from a module inside it.
pub(super) fn rust_type(name: &str) -> Result<Type, Error> {
    let is_absolute = name.starts_with("::") || name.starts_with("crate::") || PRIMITIVE.contains(&name);
    let path = if is_absolute { name.to_owned() } else { format!("super::{name}") };
    syn::parse_str(&path)
        .map_err(|error| Error::Generate(format!("`{name}` is not a type; is it an extern path? ({error})")))
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;
    use quote::ToTokens as _;

    use super::*;

    #[test]
    fn types_are_found_from_a_module_inside() {
        for (name, path) in [
            ("HelloRequest", "super::HelloRequest"),
            ("super::other::Message", "super::super::other::Message"),
            ("outer::Inner", "super::outer::Inner"),
            ("::prost_types::Any", "::prost_types::Any"),
            ("::prost::alloc::vec::Vec<u8>", "::prost::alloc::vec::Vec<u8>"),
            ("crate::shared::Message", "crate::shared::Message"),
            ("()", "()"),
            ("bool", "bool"),
        ] {
            let found = rust_type(name).map(|found| found.to_token_stream().to_string());
            let expected = path.parse::<TokenStream>().map(|path| path.to_string());
            assert_eq!(found.ok(), expected.ok(), "{name}");
        }
        assert!(rust_type("no type").is_err());
    }
}
