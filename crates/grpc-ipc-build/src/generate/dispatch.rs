use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

use super::service::{Method, Service};

/// How a server finds the method of a call: by path for tonic, by number for the engine.
pub(super) fn generate(service: &Service<'_>, server: &Ident) -> TokenStream {
    let name = &service.name;
    let count = Literal::usize_unsuffixed(service.methods.len());
    let methods = service.methods.iter().map(|method| {
        let (kind, path) = (method.kind(), &method.wire_path);
        quote!(codegen::Served::#kind(#path))
    });
    let calls = service.methods.iter().enumerate().map(|(number, method)| {
        let number = Literal::usize_unsuffixed(number);
        let call = generate_call(service, method);
        quote!(#number => #call,)
    });
    quote! {
        impl<T, B> codegen::Service<codegen::http::Request<B>> for #server<T>
        where
            T: #name,
            B: codegen::Body + std::marker::Send + 'static,
            B::Error: std::convert::Into<codegen::StdError> + std::marker::Send + 'static,
        {
            type Response = codegen::http::Response<tonic::body::Body>;
            type Error = std::convert::Infallible;
            type Future = codegen::Answering<Self>;

            fn poll_ready(
                &mut self,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::result::Result<(), Self::Error>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: codegen::http::Request<B>) -> Self::Future {
                codegen::answer(self, request)
            }
        }

        impl<T: #name> codegen::DirectService for #server<T> {
            fn methods(&self) -> &'static [codegen::Served] {
                static METHODS: [codegen::Served; #count] = [#(#methods),*];
                &METHODS
            }

            fn options(&self) -> &codegen::ServerOptions {
                &self.options
            }

            fn call(&self, method: usize, call: codegen::Call<'_>) -> codegen::Called {
                match method {
                    #(#calls)*
                    _ => call.unimplemented(),
                }
            }
        }
    }
}

fn generate_call(service: &Service<'_>, method: &Method) -> TokenStream {
    let (service_name, name) = (&service.name, &method.name);
    let request = &method.request;
    let request = if method.client_streaming { quote!(tonic::Streaming<#request>) } else { quote!(#request) };
    let call = method.kind();
    let inner = if service.options.use_arc_self { quote!(inner) } else { quote!(&inner) };
    quote! {
        {
            let inner = std::sync::Arc::clone(&self.inner);
            call.#call(&self.options, move |request: tonic::Request<#request>| async move {
                <T as #service_name>::#name(#inner, request).await
            })
        }
    }
}
