//! What is generated, and what fails. That it compiles and works is tested by the packages beside this directory.

mod errors;
mod options;
mod same_as_tonic;
mod util;
