#![doc = include_str!("../../docs/tls.md")]

mod client;
mod connector;
mod error;
mod fingerprint;
mod identity;
mod listener;
mod pem;
mod pinned;
mod problem;
mod provider;
mod server;
mod stream;
mod trust;
mod wakers;

pub use client::ClientTls;
pub use connector::TlsConnector;
pub use error::TlsError;
pub use fingerprint::Fingerprint;
pub use identity::Identity;
pub use listener::TlsListener;
pub use server::ServerTls;
pub use stream::TlsStream;
pub use trust::Trust;

use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ConfigBuilder, ConfigSide, WantsVerifier, WantsVersions};

/// The protocol that both ends must agree on (ALPN; [RFC 9113, section
/// 3.2](https://www.rfc-editor.org/rfc/rfc9113#section-3.2)).
const HTTP2: &[u8] = b"h2";

/// The answer to a client that the access policy refuses: an unencrypted record with the fatal alert `access_denied`
/// ([RFC 8446, section 6.2](https://www.rfc-editor.org/rfc/rfc8446#section-6.2)). For a listener of your own under
/// [`ServerTls::listener`], pass it to [`AccessPolicy::refuse_with`](crate::AccessPolicy::refuse_with).
pub const ACCESS_DENIED: &[u8; 7] = &[0x15, 3, 3, 0, 2, 2, 49];

/// The versions of TLS that HTTP/2 allows.
fn versions<S: ConfigSide>(builder: ConfigBuilder<S, WantsVersions>) -> ConfigBuilder<S, WantsVerifier> {
    builder.with_protocol_versions(&[&TLS13, &TLS12]).expect("the provider has a cipher suite")
}
