use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::service::{Method, Service};
use crate::Error;

/// The module of a client.
pub(super) fn generate(service: &Service<'_>) -> Result<TokenStream, Error> {
    let options = service.options;
    let module = service.module("client");
    let module_documentation = format!(" The client of `{}`.", service.full_name);
    let module_attributes = service.module_attributes(&options.client_mod_attributes)?;
    let client = format_ident!("{}Client", service.name);
    let documentation = service.documentation(&format!("Calls `{}`.", service.full_name))?;
    let attributes = service.attributes(&options.client_attributes)?;
    let methods = service
        .methods
        .iter()
        .map(|method| generate_method(service, method))
        .collect::<Result<TokenStream, Error>>()?;

    // The service's own method has priority.
    let is_taken = service.methods.iter().any(|method| method.client_name() == "connect");
    let connect = if is_taken { TokenStream::new() } else { generate_connect(&client) };

    let client_options = generate_options();

    Ok(quote! {
        #[doc = #module_documentation]
        #(#module_attributes)*
        pub mod #module {
            #![allow(dead_code, unused_qualifications, clippy::all, clippy::pedantic)]

            use ::grpc_ipc::{codegen, tonic};

            #(#documentation)*
            #(#attributes)*
            #[derive(Debug, Clone)]
            pub struct #client<T> {
                inner: codegen::Client<T>,
            }

            #connect

            impl<T> #client<T>
            where
                T: tonic::client::GrpcService<tonic::body::Body> + 'static,
                T::Error: Into<codegen::StdError>,
                T::ResponseBody: codegen::Body<Data = codegen::Bytes> + Send + 'static,
                <T::ResponseBody as codegen::Body>::Error: Into<codegen::StdError> + Send,
            {
                /// A client that calls over `inner`: a `grpc_ipc::Channel`, or another service of `tower`.
                pub fn new(inner: T) -> Self {
                    Self { inner: codegen::Client::new(inner) }
                }

                /// Like [`new`](Self::new), with the scheme and authority that requests name.
                pub fn with_origin(inner: T, origin: codegen::http::Uri) -> Self {
                    Self { inner: codegen::Client::with_origin(inner, origin) }
                }

                /// Like [`new`](Self::new), with an interceptor that sees and may change each request's metadata.
                pub fn with_interceptor<F>(inner: T, interceptor: F) -> #client<codegen::Intercepted<T, F>>
                where
                    F: tonic::service::Interceptor,
                {
                    #client { inner: codegen::Client::with_interceptor(inner, interceptor) }
                }

                #client_options

                #methods
            }
        }
    })
}

fn generate_connect(client: &Ident) -> TokenStream {
    quote! {
        impl #client<::grpc_ipc::Channel> {
            /// Connects now, to an address such as `local:greeter` or with `grpc_ipc::ConnectOptions`, as
            /// `grpc_ipc::Channel::connect` does.
            ///
            /// # Errors
            /// `grpc_ipc::ConnectError` when there is no server, when it is not trusted, or when it refuses this client.
            ///
            /// # Panics
            /// Outside of a tokio runtime.
            pub async fn connect(
                options: impl Into<::grpc_ipc::ConnectOptions>,
            ) -> std::result::Result<Self, ::grpc_ipc::ConnectError> {
                Ok(Self::new(::grpc_ipc::Channel::connect(options).await?))
            }
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
        (quote!(impl tonic::IntoStreamingRequest<Message = #request>), quote!(into_streaming_request))
    } else {
        (quote!(impl tonic::IntoRequest<#request>), quote!(into_request))
    };
    let response = if method.server_streaming {
        quote!(tonic::Response<tonic::Streaming<#response>>)
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
        ) -> impl std::future::Future<Output = std::result::Result<#response, tonic::Status>> + '_ {
            static METHOD: codegen::Method = codegen::Method::new(#path);
            self.inner.#call(&METHOD, request.#into())
        }
    })
}

/// The options that every client has, asynchronous or blocking.
pub(super) fn generate_options() -> TokenStream {
    quote! {
        /// Compresses requests.
        ///
        /// A server that does not accept the encoding answers with an error.
        #[must_use]
        pub fn send_compressed(mut self, encoding: tonic::codec::CompressionEncoding) -> Self {
            self.inner = self.inner.send_compressed(encoding);
            self
        }

        /// Accepts responses that are compressed.
        #[must_use]
        pub fn accept_compressed(mut self, encoding: tonic::codec::CompressionEncoding) -> Self {
            self.inner = self.inner.accept_compressed(encoding);
            self
        }

        /// The largest message that is decoded, in bytes. Default: 4 MiB.
        #[must_use]
        pub fn max_decoding_message_size(mut self, limit: usize) -> Self {
            self.inner = self.inner.max_decoding_message_size(limit);
            self
        }

        /// The largest message that is encoded, in bytes. Default: `usize::MAX`.
        #[must_use]
        pub fn max_encoding_message_size(mut self, limit: usize) -> Self {
            self.inner = self.inner.max_encoding_message_size(limit);
            self
        }
    }
}
