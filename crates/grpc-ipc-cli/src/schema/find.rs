//! Finding a name in a schema.

use prost_reflect::{DescriptorPool, EnumDescriptor, MessageDescriptor, MethodDescriptor, ServiceDescriptor};

use crate::failure::Failure;
use crate::suggest::did_you_mean;

/// Something that has a name.
pub(crate) enum Symbol {
    Service(ServiceDescriptor),
    Method(MethodDescriptor),
    Message(MessageDescriptor),
    Enum(EnumDescriptor),
}

impl Symbol {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Service(_) => "service",
            Self::Method(_) => "method",
            Self::Message(_) => "message",
            Self::Enum(_) => "enumeration",
        }
    }
}

/// `package.Service/Method`.
pub(super) fn path(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().full_name(), method.name())
}

pub(super) fn in_pool(pool: &DescriptorPool, name: &str) -> Option<Symbol> {
    let method = |service: &str, name: &str| {
        let service = pool.get_service_by_name(service)?;
        service.methods().find(|method| method.name() == name).map(Symbol::Method)
    };
    if let Some((service, name)) = name.split_once('/') {
        return method(service, name);
    }
    if let Some(service) = pool.get_service_by_name(name) {
        return Some(Symbol::Service(service));
    }
    if let Some(message) = pool.get_message_by_name(name) {
        return Some(Symbol::Message(message));
    }
    if let Some(found) = pool.get_enum_by_name(name) {
        return Some(Symbol::Enum(found));
    }
    let (service, name) = name.rsplit_once('.')?;
    method(service, name)
}

pub(super) fn unknown(name: &str, of_server: bool, known: &[String], services: &[String]) -> Failure {
    let whose = if of_server { "the server's schema has" } else { "the files have" };
    let service = name.split_once('/').map(|(service, _)| service);
    let message = match service.filter(|service| services.iter().any(|known| known == service)) {
        Some(service) => {
            let method = &name[service.len() + 1..];
            format!("the service {service} has no method {method:?}")
        }
        None => format!("{whose} no {name:?}"),
    };
    let hint = did_you_mean(name, known.iter().map(String::as_str)).unwrap_or_else(|| match services {
        [] => "It has no services at all.".to_owned(),
        services => format!("The services are: {}", services.join(", ")),
    });
    Failure::wrong_input(message).hint(hint)
}

/// `symbol`, which is called `name`, cannot be called.
pub(super) fn no_method(name: &str, symbol: &Symbol) -> Failure {
    let failure = Failure::wrong_input(format!("{name} is a {}; a method can be called", symbol.kind()));
    match symbol {
        Symbol::Service(service) => {
            let methods: Vec<_> = service.methods().map(|method| path(&method)).collect();
            failure.hint(format!("Its methods are: {}", methods.join(", ")))
        }
        _ => failure.hint("Write it as package.Service/Method"),
    }
}
