//! Handlers that panic: their calls end with a status, and other calls continue.

use std::any::Any;

use http::HeaderValue;

use crate::connection::Connection;

impl Connection {
    /// Ends the call of a handler that panicked. The code is gRPC's code for an exception in the application
    /// ([status codes](https://github.com/grpc/grpc/blob/master/doc/statuscodes.md)).
    pub(crate) fn end_panicked(&mut self, id: u32, method: &str) {
        let is_open = self.stream(id).is_some_and(|stream| !stream.is_send_over());
        if is_open {
            let message = match method {
                "" => "the handler panicked".to_owned(),
                _ => format!("the handler of {method} panicked"),
            };
            self.end_with_status(id, "2", percent_encoded(&message));
        }
    }
}

/// Logs the panic, because the panic hook's output may go unnoticed.
pub(crate) fn log(method: &str, panic: &(dyn Any + Send)) {
    let message =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(method, message, "a handler panicked");
}

/// Encodes the message of a status
/// ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses)).
fn percent_encoded(message: &str) -> HeaderValue {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    HeaderValue::try_from(encoded).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(percent_encoded("the handler of /a.B/C panicked"), "the handler of /a.B/C panicked");
        assert_eq!(percent_encoded("100 %\n\u{e9}"), "100 %25%0A%C3%A9");
    }
}
