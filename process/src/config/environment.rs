//! The layer of `ARBALEST_…` variables.

use std::ffi::OsString;
use std::path::PathBuf;

use super::error::{self, Error};
use super::keys::{Key, Keys};

const PREFIX: &str = "ARBALEST_";
/// Between the values of a variable that holds a list.
const SEPARATOR: char = ',';

#[derive(Default)]
pub(super) struct Environment {
    /// `ARBALEST_CONFIG`.
    pub(super) config: Option<PathBuf>,
    pub(super) values: Vec<(Key, Vec<String>)>,
}

/// Reads and checks every variable whose name starts with `ARBALEST_`. An empty one counts as not set, as compose files
/// and charts produce it.
pub(super) fn read(keys: &Keys, variables: &[(OsString, OsString)]) -> Result<Environment, Error> {
    let mut environment = Environment::default();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        if value.is_empty() {
            continue;
        }
        if name == "ARBALEST_CONFIG" {
            environment.config = Some(value.into());
            continue;
        }
        let value = value.to_str().ok_or_else(|| Error::VariableNotText { name: name.into() })?;
        if is_service_link(name, value) {
            continue;
        }
        let key = keys.find(&name[PREFIX.len()..].to_ascii_lowercase()).filter(|key| variable(&key.name) == name);
        let Some(key) = key else {
            let nearest = error::nearest(name, keys.names().map(variable));
            return Err(Error::UnknownVariable { name: name.into(), nearest });
        };
        let values = match key.list {
            true => value.split(SEPARATOR).map(|value| value.trim().to_owned()).collect(),
            false => vec![value.to_owned()],
        };
        keys.check(key, &values).map_err(|error| error::invalid_value(&error, &values, name.into()))?;
        environment.values.push((key.clone(), values));
    }
    Ok(environment)
}

fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('-', "_").to_ascii_uppercase())
}

/// Kubernetes gives every pod variables for every service of its namespace: a service called `arbalest` makes
/// `ARBALEST_SERVICE_HOST` and `ARBALEST_PORT=tcp://…`. They are not ours.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && is_url)
        || ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| {
            name.split_once("_PORT_").is_some_and(|(_, rest)| {
                rest.starts_with(|first: char| first.is_ascii_digit()) && rest.contains(protocol)
            })
        })
}
