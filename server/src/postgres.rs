//! The PostgreSQL front end: protocol 3 over TCP, for psql, drivers and tools.

mod cancel;
mod connection;
mod copy;
mod describe;
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
mod to_wire;
mod types;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use process::shutdown::Shutdown;
use socket2::{SockRef, TcpKeepalive};
use sql::Sessions;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::config::PostgresConfig;
use crate::listener;
use cancel::Cancellations;
use connection::{Connection, Io};
use error::Error;
use metrics::Metrics;
use socket::{ReadError, Socket};

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
    connections: Arc<Semaphore>,
    starting: Arc<Semaphore>,
    metrics: Metrics,
}

impl Postgres {
    pub fn new(config: PostgresConfig, sessions: Arc<Sessions>) -> Self {
        Self {
            sessions,
            cancellations: Cancellations::default(),
            connections: Arc::new(Semaphore::new(config.connections_max)),
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
        let mut socket = Socket::new(stream, self.metrics.clone());
        let Ok(starting) = Arc::clone(&self.starting).try_acquire_owned() else {
            return self.refuse(&mut socket, &Error::TooManyConnections).await;
        };
        let request = tokio::select! {
            request = startup::receive(&mut socket, &self.cancellations, &self.sessions) => request,
            () = tokio::time::sleep(STARTUP_TIMEOUT) => return,
            () = shutdown.draining() => return,
        };
        drop(starting);
        let request = match request {
            Ok(Some(request)) => request,
            Ok(None) | Err(ReadError::Disconnected(_)) => return,
            Err(ReadError::Invalid(error)) => return self.refuse(&mut socket, &error).await,
        };
        let Ok(_connection) = Arc::clone(&self.connections).try_acquire_owned() else {
            return self.refuse(&mut socket, &Error::TooManyConnections).await;
        };
        let (session, reported) = match startup::open_session(request, &mut socket, &self.sessions, address) {
            Ok(opened) => opened,
            Err(error) => return self.refuse(&mut socket, &error).await,
        };
        let _connected = self.metrics.connected();
        tracing::debug!(session_id = %session.id(), %address, "postgres connection started");
        let cancellation = self.cancellations.register(session.cancel_key());
        let io = Io { socket, cancellation, shutdown };
        Connection::new(io, session, self.sessions, reported, self.metrics).run().await;
    }

    async fn refuse(&self, socket: &mut Socket<TcpStream>, error: &Error) {
        self.metrics.refused();
        error.put_fatal(&mut socket.output);
        // The client goes in any case.
        let _ = tokio::time::timeout(STARTUP_TIMEOUT, socket.flush()).await;
    }
}
