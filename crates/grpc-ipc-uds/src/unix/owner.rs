use std::io;

use grpc_ipc_core::{Address, BindError};

use super::{ListenOptions, sys};

/// A user or a group, as given in an option.
#[derive(Clone, Debug)]
pub(super) enum Account {
    Id(u32),
    Name(String),
}

/// The owner and group of a socket's file, for chown(2). `None` leaves the value unchanged.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
}

impl Owner {
    /// Reads `options`, and looks up the names.
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
        // chown(2) takes this number as "unchanged".
        Some(Account::Id(u32::MAX)) => {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "this number is reserved");
            Err(invalid(u32::MAX.to_string(), source))
        }
        Some(Account::Id(id)) => Ok(Some(id)),
        Some(Account::Name(name)) => {
            let quoted = format!("{name:?}");
            // The lookup may ask a directory service.
            let found = tokio::task::spawn_blocking(move || look_up(&name)).await;
            match found.unwrap_or_else(|error| Err(error.into())) {
                Ok(Some(id)) => Ok(Some(id)),
                Ok(None) => {
                    Err(invalid(quoted, io::Error::new(io::ErrorKind::NotFound, "this name does not exist")))
                }
                Err(error) => Err(invalid(quoted, error)),
            }
        }
        None => Ok(None),
    }
}
