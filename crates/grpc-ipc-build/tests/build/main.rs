//! The generated code, and the errors. The packages beside this directory test that the code compiles and works.

mod errors;
mod options;
mod same_as_tonic;
mod util;
