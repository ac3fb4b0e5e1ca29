use std::any::Any;

use bytes::Bytes;
use grpc_ipc_core::NameError;
use tower_layer::Layer;
use tower_service::Service;

use crate::authorize::Authorize;
use crate::services::{BoxError, Request, Services};
use crate::traced::{TraceFn, Traced};

/// The layers of a server, in the order in which they see a request.
#[derive(Default)]
pub(crate) struct Layers {
    list: Vec<AnyLayer>,
    /// Goes around all layers.
    pub(crate) trace: Option<TraceFn>,
}

enum AnyLayer {
    /// Leaves calls direct.
    Authorize(Authorize),
    Other(Box<dyn FnOnce(Services) -> Services + Send>),
}

impl Layers {
    pub(crate) fn add<L, B>(&mut self, layer: L)
    where
        L: Layer<Services> + Send + 'static,
        L::Service: Service<Request, Response = http::Response<B>> + Clone + Send + 'static,
        <L::Service as Service<Request>>::Error: Into<BoxError>,
        <L::Service as Service<Request>>::Future: Send + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let authorize = (&layer as &dyn Any).downcast_ref::<Authorize>().cloned();
        self.list.push(match authorize {
            Some(authorize) => AnyLayer::Authorize(authorize),
            None => AnyLayer::Other(Box::new(move |services| Services::around(layer.layer(services)))),
        });
    }

    /// Looks up the names of users and groups in the layers.
    pub(crate) async fn look_up_names(&mut self) -> Result<(), NameError> {
        for layer in &mut self.list {
            if let AnyLayer::Authorize(authorize) = layer {
                *authorize = authorize.clone().look_up_names().await?;
            }
        }
        Ok(())
    }

    /// The layers that also check direct calls, in that order.
    pub(crate) fn authorize(&self) -> impl Iterator<Item = &Authorize> {
        self.list.iter().filter_map(|layer| match layer {
            AnyLayer::Authorize(authorize) => Some(authorize),
            AnyLayer::Other(_) => None,
        })
    }

    /// Whether a layer has to see every request, so that no call is direct.
    pub(crate) fn see_every_request(&self) -> bool {
        self.trace.is_some() || self.list.iter().any(|layer| matches!(layer, AnyLayer::Other(_)))
    }

    /// Puts the layers around the services.
    pub(crate) fn around(self, services: Services) -> Services {
        // The first layer sees a request first, so it goes around all others.
        let services = self.list.into_iter().rev().fold(services, |services, layer| match layer {
            AnyLayer::Authorize(authorize) => Services::around(authorize.layer(services)),
            AnyLayer::Other(layer) => layer(services),
        });
        match self.trace {
            Some(trace) => Services::around(Traced { service: services, trace }),
            None => services,
        }
    }
}
