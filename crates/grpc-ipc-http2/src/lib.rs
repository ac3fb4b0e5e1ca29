//! HTTP/2 as gRPC uses it, over one local byte stream.
#![forbid(unsafe_code)]

mod hpack;
