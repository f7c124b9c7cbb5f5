//! The PostgreSQL front end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use process::config::{Port, at_least_one};

#[derive(Clone, Debug)]
pub struct PostgresConfig {
    pub listen: SocketAddr,
    /// Clients beyond it are refused with 53300.
    pub connections_max: usize,
    /// Of these, those that only superusers get.
    pub connections_reserved: usize,
    /// Of one address; `None` is no limit of its own.
    pub connections_per_address_max: Option<usize>,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        let listen = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 5432);
        Self { listen, connections_max: 2_000, connections_reserved: 3, connections_per_address_max: None }
    }
}

#[derive(Args, Debug)]
pub(super) struct PostgresOptions {
    /// Port for PostgreSQL clients; 0 picks one, off disables
    #[arg(long, value_name = "PORT", default_value = "5432")]
    postgres_port: Port,

    /// Most PostgreSQL clients at a time
    #[arg(long, value_name = "N", default_value = "2000", value_parser = at_least_one)]
    postgres_connections_max: usize,

    /// Places for PostgreSQL clients that only superusers get, of those
    #[arg(long, value_name = "N", default_value = "3")]
    postgres_connections_reserved: usize,

    /// Most PostgreSQL clients at a time from one address [default: no limit of its own]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    postgres_connections_per_address: Option<usize>,
}

impl PostgresOptions {
    pub(super) fn into_config(self, listen: IpAddr) -> Option<PostgresConfig> {
        let port = self.postgres_port.number()?;
        Some(PostgresConfig {
            listen: SocketAddr::new(listen, port),
            connections_max: self.postgres_connections_max,
            connections_reserved: self.postgres_connections_reserved,
            connections_per_address_max: self.postgres_connections_per_address,
        })
    }
}
