//! How the connection to a server is encrypted, and how the server shows that it is the one.

use std::sync::Arc;

use coeval_store::Result;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::options::Options;

/// How much is asked of the server, by the names that PostgreSQL's own programs give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl Mode {
    const ALL: [(&'static str, Self); 5] = [
        ("disable", Self::Disable),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    /// Reads the options. Whoever names a root certificate and no mode wants the server checked. With a root certificate, `require`
    /// and `prefer` check as `verify-ca` does, as in PostgreSQL's own programs.
    fn read(options: &Options) -> Result<Self> {
        let mode = match options.get("sslmode") {
            None if options.get("sslrootcert").is_some() => return Ok(Self::VerifyFull),
            None => return Ok(Self::Prefer),
            Some(said) => Self::ALL.into_iter().find(|(name, _)| *name == said).map(|(_, mode)| mode),
        };
        mode.ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name).join(", ");
            options.wrong("there is no such `sslmode`", Some(&format!("There are {names}.")))
        })
    }
}

/// How to connect.
pub(crate) struct Tls {
    /// Whether there must be TLS.
    pub(crate) mode: SslMode,
    /// What makes it; nothing where there is none.
    pub(crate) connector: Option<MakeRustlsConnect>,
}

/// Reads how the options want the connection encrypted.
///
/// # Errors
/// [`coeval_store::Error::Failed`] for a mode that there is not, and a root certificate that cannot be read.
pub(crate) fn from_options(options: &Options) -> Result<Tls> {
    let mode = Mode::read(options)?;
    let root = options.get("sslrootcert");
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match mode {
        Mode::Disable => return Ok(Tls { mode: SslMode::Disable, connector: None }),
        Mode::VerifyFull => trusting(options, root, &provider)?,
        Mode::VerifyCa => Arc::new(AnyName(trusting(options, root, &provider)?)),
        Mode::Prefer | Mode::Require if root.is_some() => Arc::new(AnyName(trusting(options, root, &provider)?)),
        Mode::Prefer | Mode::Require => Arc::new(Anyone(Arc::clone(&provider))),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| options.wrong(e.to_string(), None))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let ssl = if mode == Mode::Prefer { SslMode::Prefer } else { SslMode::Require };
    Ok(Tls { mode: ssl, connector: Some(MakeRustlsConnect::new(config)) })
}

/// Returns what checks a server by the root certificates of a file, or the system's.
fn trusting(options: &Options, root: Option<&str>, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>> {
    let unreadable = |reason: String| options.wrong(reason, Some("`sslrootcert` is a file of certificates (PEM), or `system`."));
    let mut roots = RootCertStore::empty();
    match root {
        Some(path) if path != "system" => {
            let reason = |e: rustls::pki_types::pem::Error| unreadable(format!("{path} cannot be read as certificates: {e}"));
            for certificate in CertificateDer::pem_file_iter(path).map_err(reason)? {
                roots.add(certificate.map_err(reason)?).map_err(|e| unreadable(format!("{path}: {e}")))?;
            }
        }
        _ => {
            // Systems carry certificates that nobody can use; the others count.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(unreadable(format!("there is no root certificate in {}", root.unwrap_or("the system"))));
    }
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    built.map_err(|e| unreadable(e.to_string()))
}

/// Trusts anyone: the connection is encrypted, but who answers is not known.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

/// Trusts whoever the roots vouch for, whatever its name.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.0.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The name is looked at last: everything else was found right.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
