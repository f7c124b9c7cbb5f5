//! The server's ports: bound first of all, so that a port in use is known before anything else is done.

use std::fmt;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::config::ServerConfig;
use crate::error::Error;
use crate::listener;

/// Where the server listens. Displayed as in the ready line: `postgres=127.0.0.1:5432 web=127.0.0.1:8080`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    pub postgres: Option<SocketAddr>,
    pub flight: Option<SocketAddr>,
    pub web: Option<SocketAddr>,
}

/// The bound ports. A client that connects waits until its front end accepts.
pub(crate) struct Listeners {
    pub(crate) postgres: Option<TcpListener>,
    pub(crate) flight: Option<TcpListener>,
    pub(crate) web: Option<TcpListener>,
}

pub(crate) async fn bind(config: &ServerConfig) -> Result<(Listeners, Addresses), Error> {
    let postgres = config.postgres.as_ref().map(|postgres| postgres.listen);
    let flight = config.flight.as_ref().map(|flight| flight.listen);
    let web = config.web.as_ref().map(|web| web.listen);
    let listeners = Listeners {
        postgres: bind_one(postgres, "--postgres-port").await?,
        flight: bind_one(flight, "--flight-port").await?,
        web: bind_one(web, "--web-port").await?,
    };
    let addresses = Addresses {
        postgres: address_of(&listeners.postgres, "--postgres-port")?,
        flight: address_of(&listeners.flight, "--flight-port")?,
        web: address_of(&listeners.web, "--web-port")?,
    };
    Ok((listeners, addresses))
}

async fn bind_one(address: Option<SocketAddr>, flag: &'static str) -> Result<Option<TcpListener>, Error> {
    match address {
        Some(address) => listener::bind(address, flag).await.map(Some),
        None => Ok(None),
    }
}

fn address_of(listener: &Option<TcpListener>, flag: &'static str) -> Result<Option<SocketAddr>, Error> {
    let address = listener.as_ref().map(TcpListener::local_addr).transpose();
    address.map_err(|source| Error::PickedPort { flag, source })
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [("postgres", self.postgres), ("flight", self.flight), ("web", self.web)];
        let enabled = all.iter().filter_map(|(name, address)| address.map(|address| (name, address)));
        for (position, (name, address)) in enabled.enumerate() {
            let space = if position == 0 { "" } else { " " };
            write!(f, "{space}{name}={address}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_leaves_out_what_is_disabled() {
        let postgres = "127.0.0.1:5432".parse().ok();
        let web = "[::1]:8080".parse().ok();
        let check = |addresses: Addresses, expected: &str| assert_eq!(addresses.to_string(), expected);
        check(Addresses { postgres, flight: None, web }, "postgres=127.0.0.1:5432 web=[::1]:8080");
        check(Addresses { web, ..Addresses::default() }, "web=[::1]:8080");
        check(Addresses::default(), "");
    }
}
