//! TLS on the PostgreSQL port: after an SSLRequest, or at once.

use std::io;
use std::sync::Arc;

use process::tls::Tls;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use x509_certificate::CapturedX509Certificate;

use super::stream::Stream;

/// The application protocol of clients that begin with TLS at once.
pub const PROTOCOL: &[u8] = b"postgresql";
/// The first byte of a TLS handshake; no start-up packet of less than 16 MiB begins with it.
pub const HANDSHAKE: u8 = 0x16;

/// Whether the client has asked for encryption before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    Asked,
    AtOnce,
}

/// Shakes hands with a client. One that begins at once must name the protocol: it could be meant for another server.
pub async fn encrypt(stream: TcpStream, tls: &Tls, begin: Begin) -> io::Result<Stream> {
    let stream = TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream).await?;
    if begin == Begin::AtOnce && stream.get_ref().1.alpn_protocol() != Some(PROTOCOL) {
        return Err(io::Error::other("the client does not name the application protocol"));
    }
    Ok(Stream::Encrypted(Box::new(stream)))
}

/// The common name in the certificate that the client has shown.
pub fn certificate_name(stream: &Stream) -> Option<String> {
    let Stream::Encrypted(stream) = stream else { return None };
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    CapturedX509Certificate::from_der(certificate.to_vec()).ok()?.subject_common_name()
}
