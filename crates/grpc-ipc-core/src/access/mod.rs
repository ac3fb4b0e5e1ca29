mod names;
mod policy;
mod refused;
mod rule;

pub use names::{NameError, NameService, NoNames};
pub use policy::AccessPolicy;
pub use refused::Refused;
