//! The Arrow Flight SQL front end.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use process::config::{Port, at_least_one};

#[derive(Clone, Debug)]
pub struct FlightConfig {
    pub listen: SocketAddr,
    /// Clients beyond it are turned away.
    pub connections_max: usize,
}

#[derive(Args, Debug)]
pub(super) struct FlightOptions {
    /// Port for Flight SQL clients; 0 picks one, off disables
    #[arg(long, value_name = "PORT", default_value = "32010")]
    flight_port: Port,

    /// Most Flight SQL clients at a time
    #[arg(long, value_name = "N", default_value = "2000", value_parser = at_least_one)]
    flight_connections_max: usize,
}

impl FlightOptions {
    pub(super) fn into_config(self, listen: IpAddr) -> Option<FlightConfig> {
        let port = self.flight_port.number()?;
        Some(FlightConfig { listen: SocketAddr::new(listen, port), connections_max: self.flight_connections_max })
    }
}
