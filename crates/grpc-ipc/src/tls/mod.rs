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

/// What both ends must agree on (ALPN; [RFC 9113, section 3.2](https://www.rfc-editor.org/rfc/rfc9113#section-3.2)).
const HTTP2: &[u8] = b"h2";

/// What a client is sent that the access policy refuses: a fatal alert, `access_denied`, in a record that is not encrypted
/// ([RFC 8446, section 6.2](https://www.rfc-editor.org/rfc/rfc8446#section-6.2)). A listener of your own under
/// [`ServerTls::listener`] has its policy [refuse with](crate::AccessPolicy::refuse_with) this.
pub const ACCESS_DENIED: &[u8; 7] = &[0x15, 3, 3, 0, 2, 2, 49];

/// Those that HTTP/2 may be spoken over.
fn versions<S: ConfigSide>(builder: ConfigBuilder<S, WantsVersions>) -> ConfigBuilder<S, WantsVerifier> {
    builder.with_protocol_versions(&[&TLS13, &TLS12]).expect("the provider has a cipher suite")
}
