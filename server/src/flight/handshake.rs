//! Answers Handshake: credentials in, a bearer token out, in the response header and in the payload.

use arrow_flight::{BasicAuth, HandshakeRequest, HandshakeResponse};
use futures::stream::{self, BoxStream, StreamExt};
use http::header::AUTHORIZATION;
use prost::Message;
use prost::bytes::Bytes;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

use super::caller::{Caller, Credentials};
use super::error;
use super::service::Service;
use super::signer::Purpose;

pub(super) async fn handshake(
    service: &Service,
    caller: &Caller,
    request: Request<Streaming<HandshakeRequest>>,
) -> Result<Response<BoxStream<'static, Result<HandshakeResponse, Status>>>, Status> {
    let signer = &service.signer;
    let authorization = request.metadata().get(AUTHORIZATION.as_str()).and_then(|value| value.to_str().ok());
    let token = match authorization.and_then(Credentials::parse) {
        // ADBC, JDBC and pyarrow put everything in the header and may send no message at all, so none is waited for.
        Some(Credentials::Basic { .. }) => signer.issue(Purpose::Token, &caller.user),
        // JDBC and ODBC check a token they have been given: it is theirs, and goes back as it came.
        Some(Credentials::Bearer(token)) => token.to_owned(),
        None => {
            let (user, password) = payload_credentials(request.into_inner()).await?.unwrap_or_else(|| (caller.user.clone(), String::new()));
            let caller = Caller { user, password: Some(password), has_token: false, ..caller.clone() };
            service.check(&caller)?;
            signer.issue(Purpose::Token, &caller.user)
        }
    };
    let header = MetadataValue::try_from(format!("Bearer {token}"))
        .map_err(|_| error::invalid("the bearer token holds characters that a header cannot"))?;
    let answer = HandshakeResponse { protocol_version: 0, payload: Bytes::from(token) };
    let mut response = Response::new(stream::iter([Ok(answer)]).boxed());
    response.metadata_mut().insert(AUTHORIZATION.as_str(), header);
    Ok(response)
}

/// The user and the password of a `BasicAuth` message, the handshake of clients older than the header.
async fn payload_credentials(mut messages: Streaming<HandshakeRequest>) -> Result<Option<(String, String)>, Status> {
    let Some(request) = messages.message().await? else { return Ok(None) };
    if request.payload.is_empty() {
        return Ok(None);
    }
    let auth = BasicAuth::decode(request.payload)
        .map_err(|_| error::invalid("the payload of a handshake must be a BasicAuth message"))?;
    Ok(Some((auth.username, auth.password)).filter(|(user, _)| !user.is_empty()))
}
