//! TLS as it is configured, checked and put together.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, SupportedKxGroup, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, ServerConnection, SignatureScheme,
    SupportedProtocolVersion,
};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::label::label_set;
use crate::store::told_file::{self, Links};

label_set! {
    /// What is wanted of clients.
    pub enum ClientAuth {
        /// Nothing.
        None = "NoClientCert",
        /// A certificate is asked for, and none is wanted.
        Request = "RequestClientCert",
        /// Any certificate.
        RequireAny = "RequireAnyClientCert",
        /// If there is one, it has to be signed by the client CA.
        VerifyIfGiven = "VerifyClientCertIfGiven",
        /// A certificate signed by the client CA.
        RequireAndVerify = "RequireAndVerifyClientCert",
    }
}

label_set! {
    /// Versions of TLS that are spoken.
    pub enum Version {
        /// 1.2
        Tls12 = "TLS12",
        /// 1.3
        Tls13 = "TLS13",
    }
}

/// Cipher suites of TLS 1.2 that can be chosen, by Go's names; those of 1.3 cannot, as in Go.
pub const CIPHER_SUITES: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// Curves that can be chosen, by Go's names.
pub const CURVES: [&str; 3] = ["X25519", "CurveP256", "CurveP384"];

/// Where something in PEM form stands.
#[derive(Clone)]
pub enum Pem {
    /// In a file.
    File(PathBuf),
    /// In the configuration itself.
    Text(String),
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            // It may be a key.
            Self::Text(_) => f.write_str("inline"),
        }
    }
}

impl Pem {
    fn read(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::File(path) => told_file::read(path, Links::Followed)
                .map_err(|error| format!("a readable file: {}: {error}", path.display())),
            Self::Text(text) => Ok(text.clone().into_bytes()),
        }
    }
}

/// TLS as it is configured.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// The certificate and those between it and its root.
    pub cert: Pem,
    /// Its key.
    pub key: Pem,
    /// Who signs clients' certificates.
    pub client_ca: Option<Pem>,
    /// What is wanted of clients.
    pub client_auth: ClientAuth,
    /// Names of which a client's certificate must have one; empty: any will do.
    pub allowed_sans: Vec<String>,
    /// Oldest and newest version.
    pub versions: (Version, Version),
    /// Cipher suites of TLS 1.2, of [`CIPHER_SUITES`]; empty: all.
    pub cipher_suites: Vec<String>,
    /// Curves in the order of preference, of [`CURVES`]; empty: all.
    pub curves: Vec<String>,
    /// Whether the server's order of cipher suites counts.
    pub prefers_own_order: bool,
}

/// A setting that cannot be used: its key below `tls_server_config`, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key.
    pub key: &'static str,
    /// What would have been right.
    pub expected: String,
}

/// TLS, ready to be spoken.
#[derive(Debug)]
pub struct Tls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) allowed_sans: Vec<String>,
}

impl Tls {
    /// Reads certificates and keys, and puts them together.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn new(settings: &TlsSettings) -> Result<Self, Fault> {
        let fault = |key: &'static str| move |expected: String| Fault { key, expected };
        let certs = certificates(&settings.cert).map_err(fault("cert_file"))?;
        let key = settings.key.read().map_err(fault("key_file"))?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| Fault {
            key: "key_file",
            expected: format!("a private key in PEM form: {error}"),
        })?;
        let provider = Arc::new(provider(settings));
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions(settings.versions))
            .map_err(|error| Fault {
                key: "cipher_suites",
                expected: format!("suites that fit the versions: {error}"),
            })?
            .with_client_cert_verifier(verifier(settings, &provider)?);
        let mut config = builder.with_single_cert(certs, key).map_err(|error| Fault {
            key: "key_file",
            expected: format!("the key of the certificate in cert_file: {error}"),
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ignore_client_order = settings.prefers_own_order;
        Ok(Self { config: Arc::new(config), allowed_sans: settings.allowed_sans.clone() })
    }

    /// Whether the client's certificate has a name that is allowed, where names are listed.
    pub(super) fn is_welcome(&self, connection: &ServerConnection) -> bool {
        self.allowed_sans.is_empty()
            || connection
                .peer_certificates()
                .and_then(|certs| certs.first())
                .is_some_and(|cert| names(cert).iter().any(|name| self.allowed_sans.contains(name)))
    }
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = pem.read()?;
    let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certs {
        Ok(certs) if !certs.is_empty() => Ok(certs),
        Ok(_) => Err("certificates in PEM form, found none".to_owned()),
        Err(error) => Err(format!("certificates in PEM form: {error}")),
    }
}

fn provider(settings: &TlsSettings) -> CryptoProvider {
    let mut provider = ring::default_provider();
    if !settings.cipher_suites.is_empty() {
        provider.cipher_suites.retain(|suite| {
            suite.tls13().is_some() || settings.cipher_suites.contains(&format!("{:?}", suite.suite()))
        });
    }
    if !settings.curves.is_empty() {
        provider.kx_groups = settings.curves.iter().filter_map(|name| curve(name)).collect();
    }
    provider
}

fn curve(name: &str) -> Option<&'static dyn SupportedKxGroup> {
    let groups = [ring::kx_group::X25519, ring::kx_group::SECP256R1, ring::kx_group::SECP384R1];
    CURVES.iter().position(|known| *known == name).map(|at| groups[at])
}

fn versions((oldest, newest): (Version, Version)) -> Vec<&'static SupportedProtocolVersion> {
    let spoken = [(Version::Tls12, &rustls::version::TLS12), (Version::Tls13, &rustls::version::TLS13)];
    spoken
        .into_iter()
        .filter(|(version, _)| (oldest..=newest).contains(version))
        .map(|(_, spoken)| spoken)
        .collect()
}

fn verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Fault> {
    let any = |is_mandatory| -> Arc<dyn ClientCertVerifier> {
        Arc::new(AnyCertificate { is_mandatory, provider: Arc::clone(provider) })
    };
    let is_mandatory = match settings.client_auth {
        ClientAuth::None => return Ok(WebPkiClientVerifier::no_client_auth()),
        ClientAuth::Request => return Ok(any(false)),
        ClientAuth::RequireAny => return Ok(any(true)),
        ClientAuth::VerifyIfGiven => false,
        ClientAuth::RequireAndVerify => true,
    };
    let fault = |expected: String| Fault { key: "client_ca_file", expected };
    let Some(ca) = &settings.client_ca else {
        let word = settings.client_auth.as_str();
        return Err(fault(format!(
            "the certificates of those who sign clients', as client_auth_type is {word}"
        )));
    };
    let mut roots = RootCertStore::empty();
    for cert in certificates(ca).map_err(fault)? {
        roots.add(cert).map_err(|error| fault(format!("certificates of a CA: {error}")))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if is_mandatory { builder } else { builder.allow_unauthenticated() };
    builder
        .build()
        .map(|verifier| -> Arc<dyn ClientCertVerifier> { verifier })
        .map_err(|error| fault(error.to_string()))
}

/// Names that a certificate is made out to: DNS names, addresses, e-mail addresses, URIs.
fn names(cert: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, cert)) = x509_parser::certificate::X509Certificate::from_der(cert) else { return Vec::new() };
    let Ok(Some(names)) = cert.subject_alternative_name() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            Some((*text).to_owned())
        }
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| std::net::IpAddr::from(bytes).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| std::net::IpAddr::from(bytes).to_string()),
        },
        _ => None,
    };
    names.value.general_names.iter().filter_map(text).collect()
}

/// Takes any certificate whose key the client has; Go's `RequestClientCert` and `RequireAnyClientCert`.
#[derive(Debug)]
struct AnyCertificate {
    is_mandatory: bool,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
