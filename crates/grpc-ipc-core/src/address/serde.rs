use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Address;

/// Serializes the string of [`Display`](std::fmt::Display). Fails for a path that is not Unicode, because no string can
/// hold it, and for a custom address, because those cannot be parsed.
impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_os_string().to_str() {
            _ if matches!(self, Self::Custom { .. }) => Err(S::Error::custom(format_args!(
                "address {self} belongs to a custom transport and cannot be parsed"
            ))),
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
