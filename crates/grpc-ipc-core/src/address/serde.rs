use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Address;

/// The string of [`Display`](std::fmt::Display); an error for a path that is not Unicode, which no string holds, and
/// for the address of a transport of one's own, which is never parsed.
impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_os_string().to_str() {
            _ if matches!(self, Self::Custom { .. }) => {
                Err(S::Error::custom(format_args!("address {self} is not one to be parsed")))
            }
            Some(text) => serializer.serialize_str(text),
            None => Err(S::Error::custom(format_args!("address {self} is not Unicode"))),
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
