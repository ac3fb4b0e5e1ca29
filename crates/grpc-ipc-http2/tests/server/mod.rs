//! A client breaks the rules; the server is under test.

mod connect;
mod continuation;
mod data;
mod errors;
mod field_blocks;
mod fields;
mod flow_control;
mod frames;
mod goaway;
mod grpc;
mod headers;
mod hpack;
mod messages;
mod ping;
mod preface;
mod priority;
mod pseudo_fields;
mod push_promise;
mod rst_stream;
mod settings;
mod stream_states;
mod streams;

/// The fields of a GET request for `/`.
const GET: [(&str, &str); 4] = request("GET", "/");
/// The fields of a POST request for `/`.
const POST: [(&str, &str); 4] = request("POST", "/");

const fn request<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [(":method", method), (":scheme", "http"), (":path", path), (":authority", "localhost")]
}

/// `fields`, followed by more.
fn and<'a>(fields: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [fields, more].concat()
}
