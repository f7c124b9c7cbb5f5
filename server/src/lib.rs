//! The process clients connect to: [`Server::build`] binds and opens, [`Server::run`] serves and drains.

mod addresses;
pub mod config;
mod error;
pub mod flight;
mod front_ends;
pub mod listener;
pub mod postgres;
mod web;

use process::data_dir::{DataDir, ScratchDir};
use process::readiness::Readiness;
use process::shutdown::Shutdown;
use tracing::info;

pub use addresses::Addresses;
pub use config::ServerConfig;
pub use error::Error;

use addresses::Listeners;
use front_ends::FrontEnds;
use web::Web;

/// A server whose ports are bound and whose tables are open.
pub struct Server {
    addresses: Addresses,
    listeners: Listeners,
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
        let metrics = process::metrics::install().map_err(|error| Error::Metrics(error.to_string()))?;
        let (mut listeners, addresses) = addresses::bind(&config).await?;
        let data_dir = DataDir::open(&config.data_dir).map_err(Error::DataDir)?;
        let scratch_dir = ScratchDir::create(&config.engine.spill_parent).map_err(Error::SpillDir)?;

        let readiness = Readiness::new();
        let tables = readiness.condition("tables");
        let web = Web::default();
        if let Some(listener) = listeners.web.take() {
            web.start(listener, addresses, readiness.clone(), metrics);
        }
        tables.met();
        Ok(Self { addresses, listeners, readiness, web, _scratch_dir: scratch_dir, _data_dir: data_dir })
    }

    /// Where the ports are, with the numbers that the operating system picked.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Serves until `shutdown` drains and what was running has ended: first the front ends, then what they use, last
    /// the web port.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), Error> {
        self.readiness.end_with(&shutdown);
        let front_ends = FrontEnds::default();
        drop(self.listeners);
        let ended = front_ends.until_drained(&shutdown).await;
        info!("front ends have drained");
        self.web.end().await;
        ended
    }
}
