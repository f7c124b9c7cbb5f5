//! The web port: pages for people, probes, metrics.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use process::config::Port;

#[derive(Clone, Debug)]
pub struct WebConfig {
    pub listen: SocketAddr,
}

#[derive(Args, Debug)]
pub(super) struct WebOptions {
    /// Port for the web pages, /live, /ready and /metrics; 0 picks one, off disables
    #[arg(long, value_name = "PORT", default_value = "8080")]
    web_port: Port,
}

impl WebOptions {
    pub(super) fn into_config(self, listen: IpAddr) -> Option<WebConfig> {
        let port = self.web_port.number()?;
        Some(WebConfig { listen: SocketAddr::new(listen, port) })
    }
}
