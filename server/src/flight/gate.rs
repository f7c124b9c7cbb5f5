//! What every call passes before and after it is answered: drain, identity, cookie, count. DoGet leaves the way here.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use arrow_flight::flight_service_server::FlightServiceServer;
use futures::FutureExt;
use http::HeaderValue;
use http::header::{COOKIE, SET_COOKIE};
use process::shutdown::Shutdown;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Status};
use tower::Service as _;

use super::caller::Caller;
use super::do_get;
use super::metrics;
use super::service::{Calls, Service};
use super::session_options::set_cookie;
use super::signer::Purpose;

const DO_GET: &str = "DoGet";
const HANDSHAKE: &str = "Handshake";

#[derive(Clone)]
pub(super) struct Gate {
    service: Arc<Service>,
    calls: FlightServiceServer<Calls>,
    shutdown: Shutdown,
}

impl Gate {
    /// `message_bytes_max` is the most that one message of a DoPut may have.
    pub(super) fn new(service: Arc<Service>, shutdown: Shutdown, message_bytes_max: usize) -> Self {
        let calls = FlightServiceServer::new(Calls(Arc::clone(&service))).max_decoding_message_size(message_bytes_max);
        Self { service, calls, shutdown }
    }

    async fn answer(mut self, mut request: http::Request<Body>) -> http::Response<Body> {
        let started = Instant::now();
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let mut new_cookie = None;
        if method == HANDSHAKE {
            // It begins anew: a cookie from before may be another user's.
            request.headers_mut().remove(COOKIE);
        }
        let response = match self.admit(&request) {
            Ok(caller) => {
                // The token that a handshake gives is a key too.
                if caller.session_key.is_none() && method != HANDSHAKE {
                    new_cookie = Some(self.service.signer.issue(Purpose::Cookie, &caller.user));
                }
                request.extensions_mut().insert(caller);
                self.route(&method, request).await
            }
            Err(status) => status.into_http(),
        };
        let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
        metrics::call_answered(&method, code, started.elapsed());
        with_cookie(response, new_cookie)
    }

    fn admit(&self, request: &http::Request<Body>) -> Result<Caller, Status> {
        if self.shutdown.is_draining() {
            return Err(Status::unavailable("the server is shutting down (SQLSTATE 57P01)"));
        }
        let address = request.extensions().get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
        let caller = Caller::identify(&self.service.signer, request.headers(), address)?;
        // What a handshake's message says is checked when it has come.
        let may_come_later = request.uri().path().ends_with(HANDSHAKE) && caller.password.is_none();
        if !may_come_later {
            self.service.check(&caller)?;
        }
        Ok(caller)
    }

    async fn route(&mut self, method: &str, request: http::Request<Body>) -> http::Response<Body> {
        if method == DO_GET {
            let ticket = do_get::ticket(request).await;
            return match ticket.and_then(|ticket| self.service.get(&ticket)) {
                Ok(events) => do_get::response(events),
                Err(status) => status.into_http(),
            };
        }
        match self.calls.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// A client that keeps cookies has a key to a session from its first call on. The key costs nothing until the client
/// changes something.
fn with_cookie(mut response: http::Response<Body>, new_cookie: Option<String>) -> http::Response<Body> {
    if let Some(text) = new_cookie
        && !response.headers().contains_key(SET_COOKIE)
        && let Ok(value) = HeaderValue::try_from(set_cookie(&text))
    {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    response
}

impl tower::Service<http::Request<Body>> for Gate {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.clone().answer(request).map(Ok).boxed()
    }
}

impl NamedService for Gate {
    const NAME: &'static str = FlightServiceServer::<Calls>::NAME;
}
