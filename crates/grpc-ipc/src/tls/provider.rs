use std::sync::{Arc, LazyLock};

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

/// The cryptography: that of the process, if the program has chosen one, and else ring.
///
/// It is asked for when a key is read, a listener is made or a connector is made, and then kept.
pub(super) fn provider() -> &'static Arc<CryptoProvider> {
    static RING: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));
    CryptoProvider::get_default().unwrap_or(&RING)
}

/// Which keys it can use, to follow a reason why it cannot use one.
pub(super) fn usable_keys() -> &'static str {
    match CryptoProvider::get_default() {
        Some(_) => "so says the provider of cryptography that this process has installed",
        None => {
            "RSA with 2048 to 4096 bits, ECDSA with P-256 or P-384, and Ed25519 can be used; a provider of cryptography \
             that the process installs first (`CryptoProvider::install_default` of rustls) may take others, as aws-lc-rs \
             takes P-521"
        }
    }
}
