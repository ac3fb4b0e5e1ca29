use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::dispatch;
use super::service::{Method, Service};
use crate::Error;

/// The module of a server.
pub(super) fn generate(service: &Service<'_>) -> Result<TokenStream, Error> {
    let options = service.options;
    let module = service.module("server");
    let module_documentation = format!(" The server of `{}`.", service.full_name);
    let module_attributes = service.module_attributes(&options.server_mod_attributes)?;
    let server = format_ident!("{}Server", service.name);
    let documentation = service.documentation(&format!(
        "Serves `{}` with the methods of a [`{}`].",
        service.full_name, service.name
    ))?;
    let attributes = service.attributes(&options.server_attributes)?;
    let full_name = &service.full_name;
    let server_trait = generate_trait(service)?;
    let dispatch = dispatch::generate(service, &server);

    Ok(quote! {
        #[doc = #module_documentation]
        #(#module_attributes)*
        pub mod #module {
            #![allow(
                dead_code,
                non_camel_case_types,
                unused_qualifications,
                unused_variables,
                clippy::all,
                clippy::pedantic
            )]

            use ::grpc_ipc::{codegen, tonic};

            #server_trait

            #(#documentation)*
            #(#attributes)*
            #[derive(Debug)]
            pub struct #server<T> {
                inner: std::sync::Arc<T>,
                options: codegen::ServerOptions,
            }

            impl<T> #server<T> {
                /// A server that calls the methods of `inner`.
                pub fn new(inner: T) -> Self {
                    Self::from_arc(std::sync::Arc::new(inner))
                }

                /// Like [`new`](Self::new), for an implementation that is shared.
                pub fn from_arc(inner: std::sync::Arc<T>) -> Self {
                    Self { inner, options: codegen::ServerOptions::default() }
                }

                /// Like [`new`](Self::new), with an interceptor that sees and may refuse each request.
                pub fn with_interceptor<F>(inner: T, interceptor: F) -> codegen::InterceptedServer<Self, F>
                where
                    F: tonic::service::Interceptor,
                {
                    codegen::InterceptedServer::new(Self::new(inner), interceptor)
                }

                /// Accepts requests that are compressed.
                #[must_use]
                pub fn accept_compressed(mut self, encoding: tonic::codec::CompressionEncoding) -> Self {
                    self.options.accept_compressed(encoding);
                    self
                }

                /// Compresses responses, for clients that accept it.
                #[must_use]
                pub fn send_compressed(mut self, encoding: tonic::codec::CompressionEncoding) -> Self {
                    self.options.send_compressed(encoding);
                    self
                }

                /// The largest message that is decoded, in bytes. Default: 4 MiB.
                #[must_use]
                pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
                    self.options.max_decoding_message_size(limit);
                    self
                }

                /// The largest message that is encoded, in bytes. Default: `usize::MAX`.
                #[must_use]
                pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
                    self.options.max_encoding_message_size(limit);
                    self
                }
            }

            impl<T> std::clone::Clone for #server<T> {
                fn clone(&self) -> Self {
                    Self { inner: self.inner.clone(), options: self.options.clone() }
                }
            }

            #dispatch

            /// The name of the service.
            pub const SERVICE_NAME: &str = #full_name;

            impl<T> tonic::server::NamedService for #server<T> {
                const NAME: &'static str = SERVICE_NAME;
            }
        }
    })
}

/// The trait to implement, identical to that of tonic's generator.
fn generate_trait(service: &Service<'_>) -> Result<TokenStream, Error> {
    let name = &service.name;
    let documentation = format!(" The methods of `{}`, for a [`{name}Server`].", service.full_name);
    let attributes = service.attributes(&service.options.trait_attributes)?;
    let methods = service
        .methods
        .iter()
        .map(|method| generate_method(service, method))
        .collect::<Result<TokenStream, Error>>()?;
    Ok(quote! {
        #[doc = #documentation]
        #(#attributes)*
        #[tonic::async_trait]
        pub trait #name : std::marker::Send + std::marker::Sync + 'static {
            #methods
        }
    })
}

fn generate_method(service: &Service<'_>, method: &Method) -> Result<TokenStream, Error> {
    let options = service.options;
    let documentation = service.method_documentation(method)?;
    let name = &method.name;
    let receiver = if options.use_arc_self { quote!(self: std::sync::Arc<Self>) } else { quote!(&self) };
    let request = &method.request;
    let request = if method.client_streaming { quote!(tonic::Streaming<#request>) } else { quote!(#request) };
    let message = &method.response;
    let stream = method.stream();
    let response = match (method.server_streaming, options.generate_default_stubs) {
        (false, _) => quote!(#message),
        (true, false) => quote!(Self::#stream),
        (true, true) => quote!(tonic::codegen::BoxStream<#message>),
    };
    let associated = (method.server_streaming && !options.generate_default_stubs).then(|| {
        let documentation = format!(" The responses of the method `{}`.", method.proto_name);
        quote! {
            #[doc = #documentation]
            type #stream: tonic::codegen::tokio_stream::Stream<Item = std::result::Result<#message, tonic::Status>>
                + std::marker::Send
                + 'static;
        }
    });
    let body = if options.generate_default_stubs {
        quote!({ Err(tonic::Status::unimplemented("Not yet implemented")) })
    } else {
        quote!(;)
    };
    Ok(quote! {
        #associated

        #(#documentation)*
        async fn #name(#receiver, request: tonic::Request<#request>)
            -> std::result::Result<tonic::Response<#response>, tonic::Status> #body
    })
}
