//! What the server is told: one struct per component, read once from flags, variables and a file, then handed down.

mod auth;
mod catalog;
mod engine;
mod flight;
mod listen;
mod postgres;
mod sample;
mod tls;
mod web;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Command};
use process::build_info;
use process::config::{self, Error, Port, ProcessOptions, Sources};

pub use catalog::CatalogUrl;
pub use engine::EngineSettings;
pub use flight::FlightConfig;
pub use postgres::PostgresConfig;
pub use sample::SampleConfig;
pub use web::WebConfig;

use crate::auth::AuthSettings;
use auth::AuthOptions;
use engine::EngineOptions;
use flight::FlightOptions;
use listen::ListenAddress;
use postgres::PostgresOptions;
use process::tls::TlsFiles;
use tls::TlsOptions;
use web::WebOptions;

/// Everything `arbalest serve` is configured by. What is `None` is disabled.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Directories, files, globs and URLs whose tables are served.
    pub locations: Vec<String>,
    pub sample: Option<SampleConfig>,
    /// Catalog, managed tables, samples.
    pub data_dir: PathBuf,
    /// The catalog that several servers share; `None` is a file under `data_dir`.
    pub catalog: Option<CatalogUrl>,
    /// Where new tables are kept: a directory or a URL; `None` is below `data_dir`.
    pub warehouse: Option<String>,
    pub auth: AuthSettings,
    pub tls: Option<TlsFiles>,
    pub postgres: Option<PostgresConfig>,
    pub flight: Option<FlightConfig>,
    pub web: Option<WebConfig>,
    pub engine: EngineSettings,
    pub process: ProcessOptions,
}

impl ServerConfig {
    pub fn load(sources: Sources) -> Result<Self, Error> {
        let command = Command::new("arbalest").version(build_info::VERSION).about("A SQL server for data lakes");
        let serve = Command::new("serve").about("Serve tables to PostgreSQL and Arrow Flight SQL clients");
        let options: ServeOptions = config::load(command, Some(serve), sources)?;
        options.into_config()
    }
}

/// The options of `arbalest serve`, as they are given.
#[derive(Args, Debug)]
struct ServeOptions {
    /// A directory, file, glob or URL; each table found there is served
    #[arg(value_name = "LOCATION")]
    locations: Vec<String>,

    /// Generate TPC-H tables (once, under --data-dir) and serve them; SCALE is 1 unless given
    #[arg(long, value_name = "tpch[=SCALE]")]
    sample: Option<SampleConfig>,

    /// Catalog, managed tables, samples, spill
    #[arg(long, value_name = "DIR", default_value = "arbalest-data")]
    data_dir: PathBuf,

    /// PostgreSQL database with the catalog of several servers, postgres://…; a file under --data-dir unless given
    #[arg(long, value_name = "URL")]
    catalog: Option<CatalogUrl>,

    /// Directory or URL of an object store where new tables are kept; under --data-dir unless given
    #[arg(long, value_name = "URL")]
    warehouse: Option<String>,

    /// Address that all ports listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    listen: ListenAddress,

    #[command(flatten)]
    auth: AuthOptions,

    #[command(flatten)]
    tls: TlsOptions,

    #[command(flatten)]
    postgres: PostgresOptions,

    #[command(flatten)]
    flight: FlightOptions,

    /// Port for Spark Thrift clients; not served yet, so only off is accepted
    #[arg(long, value_name = "PORT", value_parser = parse_hive_port)]
    hive_port: Option<Port>,

    #[command(flatten)]
    web: WebOptions,

    #[command(flatten)]
    engine: EngineOptions,

    #[command(flatten)]
    process: ProcessOptions,
}

impl ServeOptions {
    fn into_config(self) -> Result<ServerConfig, Error> {
        let ListenAddress(listen) = self.listen;
        let (auth, tls) = (self.auth.into_settings(), self.tls.into_files());
        let (postgres, flight) = (self.postgres.into_config(listen), self.flight.into_config(listen));
        if !listen.is_loopback() {
            check_open(listen, &auth, tls.is_some(), flight.is_some())?;
        }
        Ok(ServerConfig {
            locations: self.locations,
            sample: self.sample,
            auth,
            tls,
            postgres,
            flight,
            web: self.web.into_config(listen),
            engine: self.engine.into_settings(&self.data_dir, self.catalog.is_some()),
            data_dir: self.data_dir,
            catalog: self.catalog,
            warehouse: self.warehouse,
            process: self.process,
        })
    }
}

/// Fails if an address that others can reach would be open to them.
fn check_open(listen: IpAddr, auth: &AuthSettings, is_encrypted: bool, has_flight: bool) -> Result<(), Error> {
    let reason = match (auth.is_configured(), auth.host_rules.is_some() || is_encrypted, has_flight) {
        (false, ..) => {
            "clients are not authenticated, so anyone who reaches it could read everything; give --host-rules, --password-file or \
             --authentication scram-sha-256"
        }
        (true, false, _) => "what clients send could be read by others; give --tls-cert and --tls-key, or --host-rules that say otherwise",
        (true, true, true) => "Flight SQL is served on loopback addresses only in this version; give --flight-port off",
        (true, true, false) => return Ok(()),
    };
    Err(Error::InvalidValue { value: listen.to_string(), place: "--listen".into(), reason: reason.into() })
}

/// A port nobody answers is worse than a refusal.
fn parse_hive_port(text: &str) -> Result<Port, String> {
    match text.parse()? {
        Port::Off => Ok(Port::Off),
        Port::Number(_) => Err("the Spark Thrift front end is not part of this version; leave it out, or off".into()),
    }
}

#[cfg(test)]
mod tests;
