use std::io;

use grpc_ipc_core::{Address, BindError};

use super::{ListenOptions, sys};

/// A user or a group, as an option says it.
#[derive(Clone, Debug)]
pub(super) enum Account {
    Id(u32),
    Name(String),
}

/// Whom a socket's file is to belong to, as chown(2) takes it. `None` is left as it is made.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
}

impl Owner {
    /// What `options` say, with the names looked up.
    pub(super) async fn of(options: &ListenOptions, address: &Address) -> Result<Self, BindError> {
        Ok(Self {
            user: id(options.owner.clone(), "owner", sys::uid_of, address).await?,
            group: id(options.group.clone(), "group", sys::gid_of, address).await?,
        })
    }
}

async fn id(
    account: Option<Account>,
    option: &str,
    look_up: fn(&str) -> io::Result<Option<u32>>,
    address: &Address,
) -> Result<Option<u32>, BindError> {
    let invalid = |value: String, source| BindError::InvalidOption {
        address: address.clone(),
        option: format!("the {option} {value}"),
        source,
    };
    match account {
        // chown(2) takes this number for none.
        Some(Account::Id(u32::MAX)) => {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "nobody has this number");
            Err(invalid(u32::MAX.to_string(), source))
        }
        Some(Account::Id(id)) => Ok(Some(id)),
        Some(Account::Name(name)) => {
            let quoted = format!("{name:?}");
            // It may ask a directory service.
            let found = tokio::task::spawn_blocking(move || look_up(&name)).await;
            match found.unwrap_or_else(|error| Err(error.into())) {
                Ok(Some(id)) => Ok(Some(id)),
                Ok(None) => {
                    Err(invalid(quoted, io::Error::new(io::ErrorKind::NotFound, "nobody has this name")))
                }
                Err(error) => Err(invalid(quoted, error)),
            }
        }
        None => Ok(None),
    }
}
