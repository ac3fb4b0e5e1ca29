//! The client. By default it talks only to a server of the system, or of the same user.

use std::error::Error;

use grpc_ipc::Channel;

use crate::updater::Package;
use crate::updater::updater_client::UpdaterClient;

pub fn call(package: &str, address: &str) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut updater = UpdaterClient::new(Channel::connect(address).await?);
        let mut progress = updater.install(Package { name: package.to_owned() }).await?.into_inner();
        while let Some(progress) = progress.message().await? {
            println!("{package}: {} %", progress.percent);
        }
        Ok(())
    })
}
