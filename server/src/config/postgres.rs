//! The PostgreSQL front end.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use process::config::{Port, at_least_one};

#[derive(Clone, Debug)]
pub struct PostgresConfig {
    pub listen: SocketAddr,
    /// Clients beyond it are refused with 53300.
    pub connections_max: usize,
}

#[derive(Args, Debug)]
pub(super) struct PostgresOptions {
    /// Port for PostgreSQL clients; 0 picks one, off disables
    #[arg(long, value_name = "PORT", default_value = "5432")]
    postgres_port: Port,

    /// Most PostgreSQL clients at a time
    #[arg(long, value_name = "N", default_value = "2000", value_parser = at_least_one)]
    postgres_connections_max: usize,
}

impl PostgresOptions {
    pub(super) fn into_config(self, listen: IpAddr) -> Option<PostgresConfig> {
        let port = self.postgres_port.number()?;
        Some(PostgresConfig { listen: SocketAddr::new(listen, port), connections_max: self.postgres_connections_max })
    }
}
