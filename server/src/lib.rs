//! The process clients connect to: [`Server::build`] binds and opens, [`Server::run`] serves and drains.

mod addresses;
pub mod auth;
pub mod config;
mod embedded;
mod error;
pub mod flight;
mod front_ends;
pub mod listener;
pub mod postgres;
pub mod sample;
mod tables;
mod web;

use std::process::ExitCode;
use std::sync::Arc;

use process::data_dir::{DataDir, ScratchDir};
use process::readiness::Readiness;
use process::reload::Reloaded;
use process::resident;
use process::runtime::{self, Failure};
use process::shutdown::Shutdown;
use process::tls::Tls;
use sql::Sessions;
use tracing::info;

pub use addresses::Addresses;
pub use config::ServerConfig;
pub use error::Error;

use addresses::Listeners;
use auth::Authenticator;
use config::{FlightConfig, PostgresConfig};
use embedded::{Embedded, RunningEmbedded};
use engine::{Cluster, ObjectStores, RemoteCluster};
use flight::Flight;
use front_ends::FrontEnds;
use postgres::Postgres;
use web::Web;

/// The whole life of `arbalest serve`. Here rather than in `main`, so that the futures below are compiled once, with this
/// crate, and not again with the binary.
pub fn serve(config: ServerConfig) -> ExitCode {
    runtime::run(&config.process.clone(), |shutdown| async move {
        let allowance = resident::allowance(config.engine.memory_bytes, config.engine.cache_bytes);
        resident::hold_down(allowance).map_err(Failure::start)?;
        let server = tokio::select! {
            built = Server::build(config) => built.map_err(Failure::start)?,
            () = shutdown.draining() => return Ok(()),
        };
        runtime::announce(server.addresses())?;
        server.run(shutdown).await.map_err(Failure::run)
    })
}

/// A server whose ports are bound and whose tables are open.
pub struct Server {
    addresses: Addresses,
    listeners: Listeners,
    postgres: Option<PostgresConfig>,
    flight: Option<FlightConfig>,
    sessions: Arc<Sessions>,
    authenticator: Arc<Authenticator>,
    tls: Option<Arc<Reloaded<Tls>>>,
    /// `None` with a cluster of other processes.
    embedded: Option<RunningEmbedded>,
    readiness: Readiness,
    web: Web,
    // Held until everything that uses them has ended.
    _scratch_dir: ScratchDir,
    _data_dir: DataDir,
}

impl Server {
    /// Does all that can fail before serving: locks the data directory, binds the ports, generates the sample, opens
    /// the tables. The web port answers from here on, so that probes can tell a slow start from a hung one.
    pub async fn build(config: ServerConfig) -> Result<Self, Error> {
        let tls = config.tls.clone().map(|files| process::tls::load(files, postgres::PROTOCOL)).transpose().map_err(Error::Tls)?.map(Arc::new);
        let metrics = process::metrics::install().map_err(|error| Error::Metrics(error.to_string()))?;
        let (mut listeners, addresses) = addresses::bind(&config).await?;
        let data_dir = DataDir::open(&config.data_dir).map_err(Error::DataDir)?;
        let scratch_dir = ScratchDir::create(&config.engine.spill_parent).map_err(Error::SpillDir)?;

        let readiness = Readiness::new();
        let tables = readiness.condition("tables");
        let web = Web::default();
        if let Some(listener) = listeners.web.take() {
            web.start(listener, addresses, readiness.clone(), metrics.clone());
        }
        let mut locations = config.locations;
        if let Some(sample) = config.sample {
            tables.unmet("generating the sample");
            let directory = sample::provide(sample, data_dir.path(), config.engine.vcores).await?;
            locations.push(directory.display().to_string());
        }
        tables.unmet("opening the tables");
        let [local_bytes, cluster_bytes] = config.engine.split_memory();
        let object_stores = ObjectStores::new(config.engine.secrets.clone(), config.engine.cache_bytes);
        let (embedded, cluster): (_, Arc<dyn Cluster>) = match &config.engine.scheduler {
            Some(url) => (None, Arc::new(RemoteCluster::new(url.as_str())?)),
            None => {
                let embedded = Embedded::build(&config.engine, cluster_bytes, scratch_dir.path(), Arc::clone(&object_stores)).await?;
                let cluster = embedded.cluster();
                (Some(embedded), cluster)
            }
        };
        let store = tables::open_catalog(config.catalog.as_ref(), data_dir.path()).await?;
        let warehouse = tables::warehouse(config.warehouse.as_deref(), data_dir.path())?;
        let spill = scratch_dir.path();
        let sessions =
            tables::open(&locations, &config.engine, local_bytes, spill, cluster, object_stores, store, warehouse, data_dir.path()).await?;
        let authenticator = Authenticator::new(&config.auth, Arc::clone(&sessions)).map_err(Error::Authentication)?;
        let embedded = match embedded {
            Some(embedded) => {
                metrics.add_source("scheduler", scheduler::metrics::render);
                Some(embedded.start().await?)
            }
            None => None,
        };
        tables.met();
        Ok(Self {
            addresses,
            listeners,
            postgres: config.postgres,
            flight: config.flight,
            sessions,
            authenticator: Arc::new(authenticator),
            tls,
            embedded,
            readiness,
            web,
            _scratch_dir: scratch_dir,
            _data_dir: data_dir,
        })
    }

    /// Where the ports are, with the numbers that the operating system picked.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Serves until `shutdown` drains and what was running has ended: first the front ends, then what they use, last
    /// the web port.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), Error> {
        self.readiness.end_with(&shutdown);
        let mut front_ends = FrontEnds::default();
        if let Some((listener, config)) = self.listeners.postgres.zip(self.postgres) {
            let postgres = Postgres::new(config, Arc::clone(&self.sessions), Arc::clone(&self.authenticator), self.tls);
            front_ends.start("postgres", postgres.serve(listener, shutdown.clone()));
        }
        if let Some((listener, config)) = self.listeners.flight.zip(self.flight) {
            let flight = Flight::new(config, Arc::clone(&self.sessions), Arc::clone(&self.authenticator));
            front_ends.start("flight", flight.serve(listener, shutdown.clone()));
        }
        let drained = front_ends.until_drained(&shutdown);
        tokio::pin!(drained);
        let ended = tokio::select! {
            ended = &mut drained => ended,
            error = ended_early(&mut self.embedded) => {
                shutdown.start_drain();
                drained.await.and(Err(error))
            }
        };
        info!("front ends have drained");
        if let Some(embedded) = self.embedded {
            embedded.end().await;
        }
        self.web.end().await;
        ended
    }
}

/// What ended the embedded engine; without one, nothing does.
async fn ended_early(embedded: &mut Option<RunningEmbedded>) -> Error {
    match embedded {
        Some(embedded) => embedded.ended_early().await,
        None => std::future::pending().await,
    }
}
