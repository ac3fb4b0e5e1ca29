//! Generated code, in a package that allows nothing that can be denied, and depends on what the documentation says.

#![deny(
    warnings,
    clippy::all,
    clippy::pedantic,
    missing_debug_implementations,
    missing_docs,
    rust_2018_idioms,
    rust_2021_compatibility,
    rust_2024_compatibility,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unreachable_pub,
    unsafe_code,
    unused_qualifications
)]

/// A file of its own for each package.
pub mod fixture {
    /// A method of each kind.
    pub mod kinds {
        grpc_ipc::tonic::include_proto!("fixture.kinds");
    }
    /// Names that are taken.
    pub mod names {
        grpc_ipc::tonic::include_proto!("fixture.names");
        /// A package inside.
        pub mod inner {
            grpc_ipc::tonic::include_proto!("fixture.names.inner");
        }
    }
}

pub use fixture::kinds;

/// No package.
pub mod alone {
    grpc_ipc::tonic::include_proto!("_");
}

/// Other options.
pub mod stubs {
    grpc_ipc::tonic::include_proto!("stubs/fixture.kinds");
}

/// Well-known types of its own.
#[allow(missing_docs, reason = "Google's types, and no comments")]
#[allow(clippy::pedantic, reason = "names of Google's")]
pub mod well_known {
    include!(concat!(env!("OUT_DIR"), "/well_known/all.rs"));
}

/// Messages of another module.
pub mod elsewhere {
    grpc_ipc::tonic::include_proto!("elsewhere/fixture.elsewhere");
}
