//! Asks a client for what it must show: a password by SCRAM-SHA-256, with channel binding where it can, or in clear text.

use bytes::Bytes;
use pgwire::api::auth::sasl::scram::ScramServerAuth;
use pgwire::error::PgWireError;
use pgwire::messages::startup::Authentication;
use process::tls::Tls;
use tokio::io::{AsyncRead, AsyncWrite};

use super::error::{Error, put_message};
use super::socket::{ReadError, Socket};
use crate::auth::{Applicant, AuthError, Authenticator, Proof};

const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// Fails unless the client is who it says.
pub async fn authenticate<S>(
    socket: &mut Socket<S>,
    authenticator: &Authenticator,
    applicant: &Applicant<'_>,
    tls: Option<&Tls>,
) -> Result<(), ReadError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match authenticator.demand(applicant).map_err(refused)? {
        Proof::Nothing => Ok(()),
        Proof::Scram => scram(socket, authenticator, applicant.user, tls).await,
        Proof::Password => {
            put_message(&Authentication::CleartextPassword, &mut socket.output);
            socket.flush().await?;
            let password = socket.read_password().await?.text().map_err(ReadError::Invalid)?;
            authenticator.check_password(applicant.user, &password).map_err(refused)
        }
    }
}

async fn scram<S>(socket: &mut Socket<S>, authenticator: &Authenticator, user: &str, tls: Option<&Tls>) -> Result<(), ReadError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut server = ScramServerAuth::new();
    if let Some(tls) = tls
        && let Err(error) = server.configure_certificate(&tls.certificate_pem)
    {
        tracing::debug!(%error, "no channel binding with this certificate");
    }
    let mut mechanisms = vec![SCRAM_SHA_256.to_owned()];
    if server.supports_channel_binding() {
        mechanisms.insert(0, SCRAM_SHA_256_PLUS.to_owned());
    }
    put_message(&Authentication::SASL(mechanisms.clone()), &mut socket.output);
    socket.flush().await?;

    let (mechanism, first) = socket.read_password().await?.initial_response().map_err(ReadError::Invalid)?;
    let is_bound = first.first() == Some(&b'p');
    if !mechanisms.contains(&mechanism) || is_bound != (mechanism == SCRAM_SHA_256_PLUS) {
        return Err(invalid("client selected an invalid SASL authentication mechanism"));
    }
    let secret = authenticator.verifier(user).secret();
    let (answer, exchange) = server.on_client_first_message_with_secret(&first, secret).map_err(|error| failed(error, user))?;
    put_message(&Authentication::SASLContinue(Bytes::from(answer)), &mut socket.output);
    socket.flush().await?;

    let last = socket.read_password().await?.bytes();
    let answer = exchange.on_client_final_message(&last).map_err(|error| failed(error, user))?;
    put_message(&Authentication::SASLFinal(Bytes::from(answer)), &mut socket.output);
    Ok(())
}

fn failed(error: PgWireError, user: &str) -> ReadError {
    match error {
        PgWireError::InvalidPassword(_) => refused(AuthError::Password { user: user.to_owned() }),
        error => {
            tracing::debug!(%error, "malformed SCRAM message");
            invalid("malformed SCRAM message")
        }
    }
}

fn refused(error: AuthError) -> ReadError {
    ReadError::Invalid(Error::Auth(error))
}

fn invalid(message: &str) -> ReadError {
    ReadError::Invalid(Error::protocol_violation(message))
}
