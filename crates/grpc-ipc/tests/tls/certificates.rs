//! Certificates, made anew for each test.

use grpc_ipc::tls::{ClientTls, Identity, ServerTls, Trust};
use grpc_ipc_conformance::unique_name;
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM text.
pub(crate) struct Certified {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, unique_name("authority"));
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem().replace("\r\n", "\n")
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::authorities(self.pem()).unwrap()
    }

    /// A certificate for `name`.
    pub(crate) fn certify(&self, name: &str) -> Certified {
        self.certify_with(name, |_| {})
    }

    pub(crate) fn certify_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Certified {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Certified::new(&certificate, &key)
    }

    pub(crate) fn certify_key(&self, name: &str, key: &KeyPair) -> Certified {
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(key, &self.0).unwrap();
        Certified::new(&certificate, key)
    }

    /// The certificate of a named authority, as `openssl req -x509` makes it.
    pub(crate) fn self_as(name: &str) -> Certified {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Certified::new(&certificate, &key)
    }

    /// An identity for `name`.
    pub(crate) fn identify(&self, name: &str) -> Identity {
        self.certify(name).identity()
    }

    /// A server for `localhost` that requests no certificate.
    pub(crate) fn server(&self) -> ServerTls {
        ServerTls::new(self.identify("localhost"))
    }

    /// A client that trusts this authority, and presents no certificate.
    pub(crate) fn client(&self) -> ClientTls {
        ClientTls::new(self.trust())
    }
}

impl Certified {
    fn new(certificate: &Certificate, key: &KeyPair) -> Self {
        // The tests need Unix line endings, even on Windows.
        let unix = |pem: String| pem.replace("\r\n", "\n");
        Self { certificate: unix(certificate.pem()), key: unix(key.serialize_pem()) }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::from_pem(&self.certificate, &self.key).unwrap()
    }
}

/// A self-signed certificate.
pub(crate) fn self_signed() -> Certified {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([]).unwrap().self_signed(&key).unwrap();
    Certified::new(&certificate, &key)
}
