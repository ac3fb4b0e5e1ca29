use futures_util::stream;
use tonic::{Code, Status};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{Failure, Scene, Transport};
use crate::cases::failure::{check_eq, check_status};

const TEST_SERVICE: &str = "grpc.testing.TestService";

pub(in crate::cases) async fn health<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    let check = async |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        HealthClient::new(scene.channel.clone()).check(request).await
    };
    for service in ["", TEST_SERVICE] {
        let response =
            check(service).await.map_err(|status| or_missing(status, "the server has no health service"))?;
        let status = response.into_inner().status();
        check_eq(&format!("health of {service:?}"), status, ServingStatus::Serving)?;
    }
    check_status("the check of an unknown service", check("no.such.Service").await, Code::NotFound).map(drop)
}

pub(in crate::cases) async fn reflection<T: Transport>(scene: Scene<T>) -> Result<(), Failure> {
    let services = match v1(scene.channel.clone()).await {
        Err(status) if status.code() == Code::Unimplemented => v1alpha(scene.channel).await,
        services => services,
    };
    let services = services.map_err(|status| or_missing(status, "the server has no reflection"))?;
    match services.iter().any(|service| service == TEST_SERVICE) {
        true => Ok(()),
        false => check_eq("services", services, vec![TEST_SERVICE.to_owned()]),
    }
}

/// The names of all services, by one version of the protocol.
macro_rules! list_services {
    ($version:ident) => {
        async fn $version<T: Transport>(channel: T) -> Result<Vec<String>, Status> {
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
            };

            let list = MessageRequest::ListServices(String::new());
            let request = ServerReflectionRequest { message_request: Some(list), ..Default::default() };
            let mut client = ServerReflectionClient::new(channel);
            let mut responses = client.server_reflection_info(stream::iter([request])).await?.into_inner();
            match responses.message().await?.and_then(|response| response.message_response) {
                Some(MessageResponse::ListServicesResponse(list)) => {
                    Ok(list.service.into_iter().map(|service| service.name).collect())
                }
                other => Err(Status::internal(format!("another answer than a list: {other:?}"))),
            }
        }
    };
}

list_services!(v1);
list_services!(v1alpha);

fn or_missing(status: Status, missing: &'static str) -> Failure {
    match status.code() {
        Code::Unimplemented => Failure::NotApplicable(missing),
        _ => status.into(),
    }
}
