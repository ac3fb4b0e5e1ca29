use std::sync::{Arc, LazyLock};

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

/// The provider of cryptography: the one that the process has installed, or else ring.
///
/// It is looked up, and then kept, when a key is read, or a listener or a connector is made.
pub(super) fn provider() -> &'static Arc<CryptoProvider> {
    static RING: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));
    CryptoProvider::get_default().unwrap_or(&RING)
}

/// Which keys the provider can use, for the error about a key that it cannot use.
pub(super) fn usable_keys() -> &'static str {
    match CryptoProvider::get_default() {
        Some(_) => "the provider of cryptography that this process installed does not accept it",
        None => {
            "use RSA with 2048 to 4096 bits, ECDSA with P-256 or P-384, or Ed25519, or install a provider of cryptography \
             that accepts the key (`CryptoProvider::install_default` of rustls; aws-lc-rs accepts P-521)"
        }
    }
}
