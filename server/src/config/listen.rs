//! The address that all ports listen on.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

#[derive(Clone, Copy, Debug)]
pub(super) struct ListenAddress(pub(super) IpAddr);

impl FromStr for ListenAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = match text {
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            text => text.parse().map_err(|_| "an address is an IP address such as 127.0.0.1 or ::1")?,
        };
        Ok(Self(address))
    }
}
