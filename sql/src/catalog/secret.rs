//! A secret as the catalog keeps it.

use std::collections::BTreeMap;

use engine::MadeSecret;
use serde::{Deserialize, Serialize};

use super::sealing::SealingKey;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretDefinition {
    /// The kind of store that it is for. `kind` is what definitions are told apart by.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its options, sealed under its name.
    pub sealed: String,
}

impl SecretDefinition {
    /// Fails with a sentence.
    pub(crate) fn seal(key: &SealingKey, name: &str, secret: &MadeSecret) -> Result<Self, String> {
        let options = serde_json::to_string(secret.options()).map_err(|error| error.to_string())?;
        Ok(Self { kind: secret.kind().to_owned(), sealed: key.seal(name, &options)? })
    }

    pub(crate) fn open(&self, key: &SealingKey, name: &str) -> Result<MadeSecret, String> {
        let options: BTreeMap<String, String> =
            serde_json::from_str(&key.open(name, &self.sealed)?).map_err(|_| "its options cannot be read".to_owned())?;
        MadeSecret::new(&self.kind, options)
    }
}
