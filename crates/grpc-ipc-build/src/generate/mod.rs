//! The generator of clients and servers, which prost-build calls for each service.

mod blocking_client;
mod client;
mod dispatch;
mod server;
mod service;
mod types;

use std::cell::RefCell;
use std::rc::Rc;

use proc_macro2::TokenStream;

use crate::Error;
use crate::options::ServiceOptions;
use service::Service;

pub(crate) struct Generator {
    options: ServiceOptions,
    /// The first error. prost-build gives a generator no way to return it.
    failed: Rc<RefCell<Option<Error>>>,
}

impl Generator {
    pub(crate) fn new(options: ServiceOptions) -> Result<Self, Error> {
        let all = [
            &options.client_attributes,
            &options.client_mod_attributes,
            &options.server_attributes,
            &options.server_mod_attributes,
            &options.trait_attributes,
        ];
        all.into_iter().try_for_each(|attributes| attributes.check())?;
        Ok(Self { options, failed: Rc::default() })
    }

    /// Holds the error after prost-build has finished.
    pub(crate) fn failed(&self) -> Rc<RefCell<Option<Error>>> {
        Rc::clone(&self.failed)
    }

    pub(crate) fn is_needed(&self) -> bool {
        self.options.build_client || self.options.build_server || self.options.build_blocking_client
    }

    fn tokens(&self, service: prost_build::Service) -> Result<TokenStream, Error> {
        let service = Service::new(service, &self.options)?;
        let mut tokens = TokenStream::new();
        if self.options.build_client {
            tokens.extend(client::generate(&service)?);
        }
        if self.options.build_blocking_client {
            tokens.extend(blocking_client::generate(&service)?);
        }
        if self.options.build_server {
            tokens.extend(server::generate(&service)?);
        }
        Ok(tokens)
    }
}

impl prost_build::ServiceGenerator for Generator {
    fn generate(&mut self, service: prost_build::Service, buf: &mut String) {
        match self.tokens(service) {
            // prost-build formats the whole file.
            Ok(tokens) => buf.push_str(&tokens.to_string()),
            Err(error) => {
                // prost-build requires some code in a package that has a service.
                buf.push_str("// The build script failed.\n");
                self.failed.borrow_mut().get_or_insert(error);
            }
        }
    }
}
