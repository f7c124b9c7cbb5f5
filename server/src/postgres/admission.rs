//! How many clients there may be: in all, of one address, and how many places only administrators get.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Error;
use crate::config::PostgresConfig;

#[derive(Clone, Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    /// Places that only superusers get.
    reserved: usize,
    per_address_max: Option<usize>,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    address: IpAddr,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Admission {
    pub fn new(config: &PostgresConfig) -> Self {
        Self {
            places: Arc::new(Semaphore::new(config.connections_max)),
            reserved: config.connections_reserved.min(config.connections_max.saturating_sub(1)),
            per_address_max: config.connections_per_address_max,
            by_address: Arc::default(),
        }
    }

    pub fn admit(&self, address: IpAddr) -> Result<Place, Error> {
        let permit = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Error::TooManyConnections)?;
        let address = address.to_canonical();
        let mut by_address = self.by_address.lock();
        let count = by_address.entry(address).or_default();
        if self.per_address_max.is_some_and(|max| *count >= max) {
            return Err(Error::TooManyOfAddress { address });
        }
        *count += 1;
        Ok(Place { _permit: permit, address, by_address: Arc::clone(&self.by_address) })
    }

    /// Whether a client that has a place may keep it.
    pub fn check_reserved(&self, is_superuser: bool) -> Result<(), Error> {
        match is_superuser || self.places.available_permits() >= self.reserved {
            true => Ok(()),
            false => Err(Error::ReservedConnections),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_address = self.by_address.lock();
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let config = PostgresConfig {
            listen: "127.0.0.1:0".parse().expect("an address"),
            connections_max: 3,
            connections_reserved: 1,
            connections_per_address_max: Some(2),
            ..PostgresConfig::default()
        };
        let admission = Admission::new(&config);
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let first = admission.admit(address("10.0.0.1")).expect("a place");
        let _second = admission.admit(address("::ffff:10.0.0.1")).expect("a place");
        assert!(admission.check_reserved(false).is_ok());
        assert!(matches!(admission.admit(address("10.0.0.1")), Err(Error::TooManyOfAddress { .. })));
        let _third = admission.admit(address("10.0.0.2")).expect("a place");
        assert!(admission.check_reserved(false).is_err() && admission.check_reserved(true).is_ok());
        assert!(matches!(admission.admit(address("10.0.0.3")), Err(Error::TooManyConnections)));
        drop(first);
        assert!(admission.admit(address("10.0.0.3")).is_ok());
    }
}
