//! Calls by generated code, in memory.

use grpc_ipc_build_edition_2024 as generated;

#[path = "../../calls.rs"]
mod calls;
