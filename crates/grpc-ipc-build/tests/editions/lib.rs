//! Generated code in a package that denies every lint that can be denied, and depends only on the documented crates.

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

/// A separate file for each package.
pub mod fixture {
    /// A method of each kind.
    pub mod kinds {
        grpc_ipc::include_proto!("fixture.kinds");
    }
    /// Names that clash with others.
    pub mod names {
        grpc_ipc::include_proto!("fixture.names");
        /// A nested package.
        pub mod inner {
            grpc_ipc::include_proto!("fixture.names.inner");
        }
    }
}

pub use fixture::kinds;

/// Without a package.
pub mod alone {
    grpc_ipc::include_proto!("_");
}

/// Other options.
pub mod stubs {
    grpc_ipc::include_proto!("stubs/fixture.kinds");
}

/// Its own well-known types.
#[allow(missing_docs, reason = "Google's types, and no comments")]
#[allow(clippy::pedantic, reason = "names of Google's")]
pub mod well_known {
    include!(concat!(env!("OUT_DIR"), "/well_known/all.rs"));
}

/// Messages of another module.
pub mod elsewhere {
    grpc_ipc::include_proto!("elsewhere/fixture.elsewhere");
}
