use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::client::generate_options;
use super::service::{Method, Service};
use crate::Error;

/// The module of a blocking client.
pub(super) fn generate(service: &Service<'_>) -> Result<TokenStream, Error> {
    let options = service.options;
    let module = service.module("blocking_client");
    let module_documentation = format!(" The blocking client of `{}`.", service.full_name);
    let module_attributes = service.module_attributes(&options.client_mod_attributes)?;
    let client = format_ident!("{}BlockingClient", service.name);
    let summary = format!("Calls `{}`, and blocks until there is an answer.", service.full_name);
    let documentation = service.documentation(&summary)?;
    let attributes = service.attributes(&options.client_attributes)?;
    let methods = service
        .methods
        .iter()
        .map(|method| generate_method(service, method))
        .collect::<Result<TokenStream, Error>>()?;

    // The service's own method has priority.
    let is_taken = service.methods.iter().any(|method| method.client_name() == "connect");
    let connect = if is_taken { TokenStream::new() } else { generate_connect() };

    let client_options = generate_options();

    Ok(quote! {
        #[doc = #module_documentation]
        #(#module_attributes)*
        pub mod #module {
            #![allow(dead_code, unused_qualifications, clippy::all, clippy::pedantic)]

            use ::grpc_ipc::{blocking, codegen, tonic};

            #(#documentation)*
            #(#attributes)*
            #[derive(Debug, Clone)]
            pub struct #client {
                inner: codegen::BlockingClient,
            }

            impl #client {
                #connect

                /// A client that calls over `channel`.
                pub fn new(channel: blocking::Channel) -> Self {
                    Self { inner: codegen::BlockingClient::new(channel) }
                }

                #client_options

                #methods
            }
        }
    })
}

fn generate_connect() -> TokenStream {
    quote! {
        /// Connects now, to an address such as `local:greeter` or with `grpc_ipc::ConnectOptions`, as
        /// `grpc_ipc::blocking::Channel::connect` does.
        ///
        /// # Errors
        /// `grpc_ipc::ConnectError` when there is no server, when it is not trusted, or when it refuses this client.
        pub fn connect(
            options: impl Into<::grpc_ipc::ConnectOptions>,
        ) -> std::result::Result<Self, ::grpc_ipc::ConnectError> {
            Ok(Self::new(blocking::Channel::connect(options)?))
        }
    }
}

fn generate_method(service: &Service<'_>, method: &Method) -> Result<TokenStream, Error> {
    let documentation = service.method_documentation(method)?;
    let deprecated = method.deprecated();
    let name = method.client_name();
    let path = &method.wire_path;
    let (request, response) = (&method.request, &method.response);
    let (parameter, into) = if method.client_streaming {
        (quote!(impl Into<blocking::Messages<#request>>), quote!(into))
    } else {
        (quote!(impl tonic::IntoRequest<#request>), quote!(into_request))
    };
    let response = if method.server_streaming {
        quote!(tonic::Response<blocking::Streaming<#response>>)
    } else {
        quote!(tonic::Response<#response>)
    };
    let call = method.kind();
    Ok(quote! {
        #(#documentation)*
        #deprecated
        pub fn #name(
            &mut self,
            request: #parameter,
        ) -> std::result::Result<#response, tonic::Status> {
            static METHOD: codegen::Method = codegen::Method::new(#path);
            self.inner.#call(&METHOD, request.#into())
        }
    })
}
