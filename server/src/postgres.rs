//! The PostgreSQL front end: protocol 3 over TCP, for psql, drivers and tools.

mod admission;
mod authentication;
mod cancel;
mod connection;
mod copy;
mod copy_in;
mod describe;
mod encryption;
mod error;
mod extended_query;
mod from_wire;
mod frontend;
mod metrics;
mod rows;
mod settings;
mod simple_query;
mod socket;
mod startup;
mod stream;
mod to_wire;
mod types;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use process::reload::Reloaded;
use process::shutdown::Shutdown;
use process::tls::Tls;
use socket2::{SockRef, TcpKeepalive};
use sql::{Session, Sessions};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::auth::{Applicant, Authenticator};
use crate::config::PostgresConfig;
use crate::listener;
use admission::{Admission, Place};
use cancel::Cancellations;
use connection::{Connection, Io};
use encryption::{Begin, HANDSHAKE, encrypt};
pub use encryption::PROTOCOL;
use error::Error;
use metrics::Metrics;
use settings::ReportedSettings;
use socket::{ReadError, Socket};
use startup::{Received, StartupRequest};
use stream::Stream;

/// A client that connects and says nothing does not hold a connection for longer.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Clients that have not said who they are, and cancel requests, which must get through when all connections are taken.
const STARTING_MAX: usize = 256;
/// A silent client is asked whether it is still there after this time, then in these intervals.
const KEEPALIVE_TIME: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// The listener's part of the front end: what all connections share.
#[derive(Clone)]
pub struct Postgres {
    sessions: Arc<Sessions>,
    cancellations: Cancellations,
    authenticator: Arc<Authenticator>,
    /// `None`: clients are not encrypted.
    tls: Option<Arc<Reloaded<Tls>>>,
    admission: Admission,
    starting: Arc<Semaphore>,
    metrics: Metrics,
}

impl Postgres {
    pub fn new(config: PostgresConfig, sessions: Arc<Sessions>, authenticator: Arc<Authenticator>, tls: Option<Arc<Reloaded<Tls>>>) -> Self {
        Self {
            sessions,
            cancellations: Cancellations::default(),
            authenticator,
            tls,
            admission: Admission::new(&config),
            starting: Arc::new(Semaphore::new(STARTING_MAX)),
            metrics: Metrics::new(),
        }
    }

    /// Serves until `shutdown` drains and all connections have ended.
    pub async fn serve(self, listener: TcpListener, shutdown: Shutdown) -> Result<(), crate::Error> {
        listener::serve(listener, "postgres connection", &shutdown, |stream, address| {
            self.clone().serve_client(stream, address, shutdown.clone())
        })
        .await;
        Ok(())
    }

    async fn serve_client(self, stream: TcpStream, address: SocketAddr, shutdown: Shutdown) {
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_INTERVAL);
        if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&keepalive) {
            tracing::debug!(%error, %address, "a postgres client that vanishes will not be noticed");
        }
        let mut socket = Socket::new(Stream::Plain(stream), self.metrics.clone());
        let Ok(starting) = Arc::clone(&self.starting).try_acquire_owned() else {
            return self.refuse(&mut socket, &Error::TooManyConnections).await;
        };
        let opened = tokio::select! {
            opened = self.open(&mut socket, address) => opened,
            () = tokio::time::sleep(STARTUP_TIMEOUT) => return,
            () = shutdown.draining() => return,
        };
        drop(starting);
        let (session, reported, _place) = match opened {
            Ok(Some(opened)) => opened,
            Ok(None) | Err(ReadError::Disconnected(_)) => return,
            Err(ReadError::Invalid(error)) => {
                tracing::info!(%address, code = error.code(), %error, "postgres client refused");
                return self.refuse(&mut socket, &error).await;
            }
        };
        let _connected = self.metrics.connected();
        tracing::debug!(session_id = %session.id(), %address, "postgres connection started");
        let cancellation = self.cancellations.register(session.cancel_key());
        let io = Io { socket, cancellation, shutdown };
        Connection::new(io, session, self.sessions, reported, self.metrics).run().await;
    }

    /// Lets a client in: encryption, who it is, a place, a session. `None`: it wanted something else, which is done.
    async fn open(
        &self,
        socket: &mut Socket<Stream>,
        address: SocketAddr,
    ) -> Result<Option<(Arc<Session>, ReportedSettings, Place)>, ReadError> {
        let tls = self.tls.as_ref().map(|tls| tls.current());
        let Some(request) = self.request(socket, tls.as_deref()).await? else { return Ok(None) };
        let place = self.admission.admit(address.ip()).map_err(ReadError::Invalid)?;
        let certificate = encryption::certificate_name(socket.stream());
        let is_encrypted = matches!(socket.stream(), Stream::Encrypted(_));
        let applicant = Applicant {
            user: request.user(),
            database: request.database(),
            address,
            is_encrypted,
            certificate: certificate.as_deref(),
        };
        let tls = tls.as_deref().filter(|_| is_encrypted);
        authentication::authenticate(socket, &self.authenticator, &applicant, tls).await?;
        let is_superuser = self.sessions.is_superuser(request.user());
        self.admission.check_reserved(is_superuser).map_err(ReadError::Invalid)?;
        let (session, reported) = startup::open_session(request, socket, &self.sessions, address).map_err(ReadError::Invalid)?;
        Ok(Some((session, reported, place)))
    }

    /// What the client wants, encrypted if it asks for that.
    async fn request(&self, socket: &mut Socket<Stream>, tls: Option<&Tls>) -> Result<Option<StartupRequest>, ReadError> {
        if let (Some(tls), Stream::Plain(stream)) = (tls, socket.stream()) {
            let mut first = [0];
            if stream.peek(&mut first).await? == 1 && first[0] == HANDSHAKE {
                self.encrypt(socket, tls, Begin::AtOnce).await?;
            }
        }
        loop {
            let can_encrypt = tls.is_some() && matches!(socket.stream(), Stream::Plain(_));
            match startup::receive(socket, &self.cancellations, &self.sessions, can_encrypt).await? {
                Received::Startup(request) => return Ok(Some(request)),
                Received::Done => return Ok(None),
                Received::Encrypt => {
                    let Some(tls) = tls else { return Ok(None) };
                    self.encrypt(socket, tls, Begin::Asked).await?;
                }
            }
        }
    }

    async fn encrypt(&self, socket: &mut Socket<Stream>, tls: &Tls, begin: Begin) -> Result<(), ReadError> {
        let Stream::Plain(stream) = std::mem::replace(socket.stream_mut(), Stream::Closed) else { return Ok(()) };
        let encrypted = encrypt(stream, tls, begin).await.inspect_err(|error| tracing::info!(%error, "a postgres client cannot be encrypted"))?;
        *socket.stream_mut() = encrypted;
        Ok(())
    }

    async fn refuse(&self, socket: &mut Socket<Stream>, error: &Error) {
        self.metrics.refused();
        error.put_fatal(&mut socket.output);
        // The client goes in any case.
        let _ = tokio::time::timeout(STARTUP_TIMEOUT, socket.flush()).await;
    }
}
