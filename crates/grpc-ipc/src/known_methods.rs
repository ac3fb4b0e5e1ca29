//! The services and methods of a server that are known when it binds.

use std::collections::BTreeMap;

use crate::ServeError;
use crate::authorize::Authorize;
use crate::codegen::DirectService;

/// The services of a server, each with the paths of its methods. Only servers that `grpc-ipc-build` generates list
/// their methods.
#[derive(Default)]
pub(crate) struct KnownMethods {
    services: BTreeMap<&'static str, Option<Vec<&'static str>>>,
    /// The server may have more services than these.
    is_open: bool,
}

/// The maximum number of similar names that an error lists.
const SIMILAR: usize = 3;

impl KnownMethods {
    pub(crate) fn add(&mut self, name: &'static str, service: Option<&dyn DirectService>) {
        let methods = service.map(|service| service.methods().iter().map(|method| method.path()).collect());
        self.services.insert(name, methods);
    }

    /// The server has a fallback for requests that match none of these services.
    #[cfg(feature = "routes")]
    pub(crate) fn open(&mut self) {
        self.is_open = true;
    }

    /// # Errors
    /// If a rule is for a service or a method that the server does not have.
    pub(crate) fn check(&self, authorize: &Authorize) -> Result<(), ServeError> {
        for name in authorize.services() {
            if !self.is_open && !self.services.contains_key(name) {
                return Err(unknown(name, self.services.keys().copied()));
            }
        }
        for path in authorize.methods() {
            let service =
                path.strip_prefix('/').and_then(|path| path.split_once('/')).map_or("", |(name, _)| name);
            match self.services.get(service) {
                Some(Some(methods)) if !methods.contains(&path) => {
                    return Err(unknown(path, methods.iter().copied()));
                }
                None if !self.is_open => {
                    let methods = self.services.values().flatten().flatten().copied();
                    return Err(unknown(path, methods.chain(self.services.keys().copied())));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> ServeError {
    let mut known: Vec<_> = known.map(|known| (distance(name, known), known)).collect();
    known.sort_unstable();
    let similar = known.into_iter().take(SIMILAR).map(|(_, known)| known).collect();
    ServeError::UnknownMethod { name: name.to_owned(), similar }
}

/// The number of letters to add, remove or replace to turn one name into the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<_> = other.chars().collect();
    let mut row: Vec<_> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, theirs) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *theirs);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_is_the_number_of_letters_that_differ() {
        assert_eq!(distance("", ""), 0);
        assert_eq!(distance("Unary", ""), 5);
        assert_eq!(distance("", "Unary"), 5);
        assert_eq!(distance("/echo.Echo/Uanry", "/echo.Echo/Unary"), 2);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
