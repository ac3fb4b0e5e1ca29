mod log_limit;
mod names;
mod policy;
mod refused;
mod rule;

pub use log_limit::LogLimit;
pub use names::{NameError, NameService, NoNames};
pub use policy::AccessPolicy;
pub use refused::Refused;
