//! The Arrow Flight SQL front end: sessions, statements, results and metadata over gRPC.
//!
//! A call passes `gate` (who is it?), is taken apart in `service`, and answered by the file named after its command.
//! GetFlightInfo plans and gives a ticket (`statement`, `prepared`, `query`); DoGet runs what the ticket stands for and
//! streams it (`result_stream`, `encoder`, `do_get`). What a client leaves between calls is kept for a while and then
//! forgotten: `session`, `prepared`, `query`.

mod action;
mod caller;
mod command;
mod connection;
mod do_get;
mod encoder;
mod error;
mod flight_info;
mod gate;
mod handshake;
mod ingest;
mod messages;
mod metadata;
mod metrics;
mod parameters;
mod prepared;
mod put_stream;
mod query;
mod result_schema;
mod result_stream;
mod service;
mod session;
mod session_options;
mod signer;
mod statement;
mod view_to_utf8;

use std::sync::Arc;
use std::time::Duration;

use process::shutdown::Shutdown;
use process::task::Tasks;
use tokio::net::TcpListener;

use crate::auth::Authenticator;
use crate::config::FlightConfig;
use gate::Gate;
use prepared::PreparedStatements;
use query::Queries;
use service::Service;
use session::FlightSessions;
use signer::Signer;

/// Sessions with a state of their own, over all users.
const SESSIONS_MAX: usize = 10_000;
/// A session or prepared statement that nobody uses for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(3600);
/// How long a ticket is valid, unless it is renewed.
const TICKET_TTL: Duration = Duration::from_secs(300);
/// The largest message that a client may send: a batch of parameters or of rows to load.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Calls that one connection may have at once. Clients open one connection for all their threads.
const CALLS_PER_CONNECTION_MAX: u32 = 1_000;
/// What a client may send before we have read it: DoPut streams many megabytes.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// Tokens and cookies travel in headers.
const HEADER_LIST_BYTES_MAX: u32 = 64 << 10;
/// A peer that has vanished is noticed after this long, twice at most.
const KEEPALIVE: Duration = Duration::from_secs(30);
const HOUSEKEEPING: Duration = Duration::from_secs(10);
/// After running results were cancelled, their connections get this long to say so.
const FORCED_END: Duration = Duration::from_secs(2);

/// The front end before it serves.
pub struct Flight {
    config: FlightConfig,
    service: Arc<Service>,
}

impl Flight {
    pub fn new(config: FlightConfig, sessions: Arc<sql::Sessions>, authenticator: Arc<Authenticator>) -> Self {
        let service = Service {
            signer: Signer::new(),
            authenticator,
            sessions: FlightSessions::new(sessions, SESSIONS_MAX, IDLE_MAX),
            prepared: PreparedStatements::default(),
            queries: Arc::new(Queries::new(TICKET_TTL)),
            tasks: Tasks::new(),
        };
        Self { config, service: Arc::new(service) }
    }

    /// Serves until `shutdown` drains and all calls are answered; when it is forced, running ones are cancelled.
    pub async fn serve(self, listener: TcpListener, shutdown: Shutdown) -> Result<(), tonic::transport::Error> {
        let service = self.service;
        let (health_reporter, health) = tonic_health::server::health_reporter();
        health_reporter.set_serving::<Gate>().await;

        let housekeeping = tokio::spawn(keep_house(Arc::clone(&service)));
        let gate = Gate::new(Arc::clone(&service), shutdown.clone(), MESSAGE_BYTES_MAX);
        let draining = {
            let shutdown = shutdown.clone();
            async move {
                shutdown.draining().await;
                health_reporter.set_not_serving::<Gate>().await;
            }
        };
        let closing = Tasks::new();
        let incoming = connection::incoming(listener, self.config.connections_max, shutdown.clone(), closing.clone());
        let serving = tonic::transport::Server::builder()
            .max_concurrent_streams(CALLS_PER_CONNECTION_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_max_header_list_size(HEADER_LIST_BYTES_MAX)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .add_service(health)
            .add_service(gate)
            .serve_with_incoming_shutdown(incoming, draining);
        let forced = async {
            shutdown.forced().await;
            service.queries.cancel_all();
            tokio::time::sleep(FORCED_END).await;
        };
        let outcome = tokio::select! {
            outcome = serving => outcome,
            () = forced => Ok(()),
        };
        housekeeping.abort();
        closing.wait().await;
        outcome
    }
}

/// Forgets what clients have left behind.
async fn keep_house(service: Arc<Service>) {
    let mut interval = tokio::time::interval(HOUSEKEEPING);
    loop {
        interval.tick().await;
        service.queries.forget_expired();
        service.prepared.close_idle(IDLE_MAX);
        service.sessions.close_idle();
        metrics::kept(service.sessions.count(), service.prepared.count(), service.queries.count());
    }
}
