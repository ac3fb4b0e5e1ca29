use std::collections::HashMap;

use proc_macro2::{Ident, TokenStream};
use prost_build::Comments;
use quote::{format_ident, quote};
use syn::parse::Parser as _;
use syn::{Attribute, Type};

use super::types::rust_type;
use crate::Error;
use crate::attributes::{Attributes, matches};
use crate::options::ServiceOptions;

/// The methods that every generated client has.
const OWN_METHODS: [&str; 7] = [
    "new",
    "with_origin",
    "with_interceptor",
    "send_compressed",
    "accept_compressed",
    "max_decoding_message_size",
    "max_encoding_message_size",
];

/// A service of a .proto file, and the names of its items.
pub(super) struct Service<'a> {
    pub(super) options: &'a ServiceOptions,
    /// `Greeter`
    pub(super) name: Ident,
    /// `greeter`
    snake_name: String,
    /// `greet.Greeter`, as it is on the wire
    pub(super) full_name: String,
    /// `.greet.Greeter`
    path: String,
    /// `.greet`
    package: String,
    comments: Comments,
    pub(super) methods: Vec<Method>,
}

/// A method of a service.
pub(super) struct Method {
    /// `say_hello`
    pub(super) name: Ident,
    /// `SayHello`
    pub(super) proto_name: String,
    /// `/greet.Greeter/SayHello`
    pub(super) wire_path: String,
    /// Relative to the module of the client or server.
    pub(super) request: Type,
    pub(super) response: Type,
    pub(super) client_streaming: bool,
    pub(super) server_streaming: bool,
    pub(super) deprecated: bool,
    /// `.greet.Greeter.SayHello`
    path: String,
    comments: Comments,
}

impl<'a> Service<'a> {
    pub(super) fn new(service: prost_build::Service, options: &'a ServiceOptions) -> Result<Self, Error> {
        let package =
            if service.package.is_empty() { String::new() } else { format!(".{}", service.package) };
        let path = format!("{package}.{}", service.proto_name);
        let full_name = if options.emit_package { path[1..].to_owned() } else { service.proto_name.clone() };
        let methods = service.methods.into_iter();
        let methods = methods
            .map(|method| Method::new(method, &path, &full_name))
            .collect::<Result<Vec<_>, Error>>()?;
        let this = Self {
            options,
            name: format_ident!("{}", service.name),
            snake_name: snake_case(&service.name),
            full_name,
            path,
            package,
            comments: service.comments,
            methods,
        };
        this.check_names()?;
        Ok(this)
    }

    fn check_names(&self) -> Result<(), Error> {
        let mut names = HashMap::new();
        for method in &self.methods {
            if let Some(first) = names.insert(method.client_name().to_string(), method) {
                return Err(Error::SameName {
                    service: self.full_name.clone(),
                    first: first.proto_name.clone(),
                    second: method.proto_name.clone(),
                    name: method.client_name().to_string(),
                });
            }
        }
        Ok(())
    }

    pub(super) fn module(&self, kind: &str) -> Ident {
        format_ident!("{}_{kind}", self.snake_name)
    }

    pub(super) fn module_attributes(&self, attributes: &Attributes) -> Result<Vec<Attribute>, Error> {
        attributes.of(&[&self.path, &self.package])
    }

    pub(super) fn attributes(&self, attributes: &Attributes) -> Result<Vec<Attribute>, Error> {
        attributes.of(&[&self.path])
    }

    /// The comment of the service, after a summary line.
    pub(super) fn documentation(&self, summary: &str) -> Result<Vec<Attribute>, Error> {
        let mut documentation = doc_line(summary);
        let comment = self.comment(&self.path, &self.comments)?;
        if !comment.is_empty() {
            documentation.extend(doc_line(""));
            documentation.extend(comment);
        }
        Ok(documentation)
    }

    /// The comment of a method. A method without a comment gets a generated one, for `missing_docs`.
    pub(super) fn method_documentation(&self, method: &Method) -> Result<Vec<Attribute>, Error> {
        let comment = self.comment(&method.path, &method.comments)?;
        if !comment.is_empty() {
            return Ok(comment);
        }
        Ok(doc_line(&format!("The method `{}` of `{}`.", method.proto_name, self.full_name)))
    }

    fn comment(&self, path: &str, comments: &Comments) -> Result<Vec<Attribute>, Error> {
        if self.options.disable_comments.iter().any(|pattern| matches(pattern, path)) {
            return Ok(Vec::new());
        }
        // Escaped like the comments of messages.
        let mut text = String::new();
        comments.append_with_indent(0, &mut text);
        Attribute::parse_outer
            .parse_str(&text)
            .map_err(|error| Error::Generate(format!("the comment of {}: {error}", &path[1..])))
    }
}

impl Method {
    fn new(method: prost_build::Method, service_path: &str, service_name: &str) -> Result<Self, Error> {
        Ok(Self {
            name: format_ident!("{}", method.name),
            wire_path: format!("/{service_name}/{}", method.proto_name),
            request: rust_type(&method.input_type)?,
            response: rust_type(&method.output_type)?,
            client_streaming: method.client_streaming,
            server_streaming: method.server_streaming,
            deprecated: method.options.deprecated(),
            path: format!("{service_path}.{}", method.proto_name),
            comments: method.comments,
            proto_name: method.proto_name,
        })
    }

    /// The name in the client, which must not clash with the client's own methods.
    pub(super) fn client_name(&self) -> Ident {
        if OWN_METHODS.iter().any(|own| self.name == own) {
            format_ident!("{}_", self.name)
        } else {
            self.name.clone()
        }
    }

    /// The name of such a method in `grpc_ipc::codegen`.
    pub(super) fn kind(&self) -> Ident {
        let kind = match (self.client_streaming, self.server_streaming) {
            (false, false) => "unary",
            (false, true) => "server_streaming",
            (true, false) => "client_streaming",
            (true, true) => "streaming",
        };
        format_ident!("{kind}")
    }

    /// The associated type of the responses: `SayHelloStream`
    pub(super) fn stream(&self) -> Ident {
        format_ident!("{}Stream", self.proto_name)
    }

    pub(super) fn deprecated(&self) -> TokenStream {
        if self.deprecated { quote!(#[deprecated]) } else { TokenStream::new() }
    }
}

pub(super) fn doc_line(text: &str) -> Vec<Attribute> {
    let text = if text.is_empty() { String::new() } else { format!(" {text}") };
    vec![syn::parse_quote!(#[doc = #text])]
}

/// As in tonic's generator, so that modules have the same names.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    let mut rest = name.chars().peekable();
    while let Some(character) = rest.next() {
        snake.push(character.to_ascii_lowercase());
        if rest.peek().is_some_and(|next| next.is_uppercase()) {
            snake.push('_');
        }
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_named_as_by_tonic() {
        for (name, snake) in
            [("Greeter", "greeter"), ("ThatHasALongName", "that_has_a_long_name"), ("ABCx", "a_b_cx")]
        {
            assert_eq!(snake_case(name), snake);
        }
    }
}
