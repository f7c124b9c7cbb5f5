//! Named credentials and endpoints of object stores.
//!
//! A location refers to a secret by name, `s3://name@bucket/path`; nothing else about the secret leaves this module. Each
//! node reads its own file, and a value that is a reference (`${env:NAME}`, `${file:PATH}`) is looked up when the first
//! client that needs it is made.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use object_store::ClientConfigKey;
use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;
use serde::Deserialize;
use toml::Value;

/// The secrets of a node, by name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<BTreeMap<String, Secret>>);

/// What kind of store a secret is for, which decides the keys that it may have.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum SecretKind {
    S3,
    Gcs,
    Azure,
    Http,
}

#[derive(Deserialize)]
pub(super) struct Secret {
    #[serde(rename = "type")]
    pub kind: SecretKind,
    #[serde(flatten)]
    options: BTreeMap<String, Value>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("kind", &self.kind).field("options", &"…").finish()
    }
}

impl Secrets {
    /// Reads a file of TOML tables, one for each secret: `[lake]`, `type = "s3"`, and any option of that kind of store.
    /// Fails with a sentence that quotes no value.
    pub fn read(path: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("the file cannot be read: {error}"))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        // The parser's own message shows the line, which may hold the secret.
        let table: BTreeMap<String, Value> = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            format!("line {line} is not TOML")
        })?;
        let mut secrets = BTreeMap::new();
        for (name, value) in table {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(is_plain) {
                return Err(format!("the name \"{name}\" is not made of letters, digits, - and _ alone"));
            }
            if !value.is_table() {
                return Err(format!("{name} is no table; write [{name}] and its options below"));
            }
            let secret: Secret = value
                .try_into()
                .map_err(|_| format!("[{name}] needs type = \"s3\", \"gcs\", \"azure\" or \"http\""))?;
            for (key, value) in &secret.options {
                secret.kind.check_key(key).map_err(|()| format!("[{name}] has an option {key}, which is not known"))?;
                text_of(value).ok_or_else(|| format!("the option {key} of [{name}] is not one value"))?;
            }
            secrets.insert(name, secret);
        }
        Ok(Self(Arc::new(secrets)))
    }

    /// The secret of that name, for a store of that kind; else a sentence that says what is wrong.
    pub(super) fn get(&self, name: &str, kind: SecretKind) -> Result<&Secret, String> {
        let secret = self.0.get(name).ok_or_else(|| {
            format!("this process has no secret named {name}: add it to the file that --secrets names")
        })?;
        match secret.kind == kind {
            true => Ok(secret),
            false => Err(format!("the secret {name} is of another type of store")),
        }
    }
}

impl Secret {
    /// Its options with their references looked up.
    pub(super) fn resolve(&self, name: &str) -> Result<Vec<(&str, String)>, String> {
        self.options
            .iter()
            .map(|(key, value)| {
                let text = text_of(value).unwrap_or_default();
                let text = resolve(&text).map_err(|message| format!("the option {key} of the secret {name}: {message}"))?;
                Ok((key.as_str(), text))
            })
            .collect()
    }
}

impl SecretKind {
    fn check_key(self, key: &str) -> Result<(), ()> {
        let known = match self {
            Self::S3 => AmazonS3ConfigKey::from_str(key).is_ok(),
            Self::Gcs => GoogleConfigKey::from_str(key).is_ok(),
            Self::Azure => AzureConfigKey::from_str(key).is_ok(),
            Self::Http => ClientConfigKey::from_str(key).is_ok(),
        };
        if known { Ok(()) } else { Err(()) }
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn resolve(text: &str) -> Result<String, String> {
    let Some((kind, name)) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')?.split_once(':')) else {
        return Ok(text.to_owned());
    };
    match kind {
        "env" => std::env::var(name).map_err(|_| format!("the variable {name} is not set")),
        "file" => std::fs::read_to_string(name)
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|error| format!("the file {name} cannot be read: {error}")),
        _ => Err("a reference is ${env:NAME} or ${file:PATH}".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_looked_up_and_values_are_not_shown() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "from a file\n").expect("written");
        let text = format!(
            "[lake]\ntype = \"s3\"\naccess_key_id = \"canary\"\nsecret_access_key = \"${{file:{}}}\"\nallow_http = true",
            file.path().display()
        );
        let secrets = Secrets::parse(&text).expect("secrets");
        let secret = secrets.get("lake", SecretKind::S3).expect("a secret");
        let options = secret.resolve("lake").expect("resolved");
        let expected = [("access_key_id", "canary"), ("allow_http", "true"), ("secret_access_key", "from a file")];
        assert_eq!(options, expected.map(|(key, value)| (key, value.to_owned())));
        assert!(!format!("{secrets:?}").contains("canary"));
        assert!(secrets.get("lake", SecretKind::Gcs).is_err());
        assert!(secrets.get("pond", SecretKind::S3).expect_err("unknown").contains("pond"));
    }

    #[test]
    fn a_wrong_file_is_explained_without_its_values() {
        for (text, expected) in [
            ("[lake]\naccess_key_id = \"canary\"", "type = \"s3\""),
            ("[lake]\ntype = \"ftp\"", "type = \"s3\""),
            ("[lake]\ntype = \"s3\"\npassword = \"canary\"", "option password"),
            ("[lake]\ntype = \"s3\"\nregion = [\"canary\"]", "option region"),
            ("lake = \"canary\"", "[lake]"),
            ("[\"a b\"]\ntype = \"s3\"", "\"a b\""),
            ("[lake]\ntype = \"s3\"\naccess_key_id = canary", "line 3"),
        ] {
            let message = Secrets::parse(text).expect_err(text);
            assert!(message.contains(expected) && !message.contains("canary"), "{message}");
        }
        let missing = Secrets::parse("[a]\ntype = \"s3\"\ntoken = \"${env:ARBALEST_NOT_SET}\"").expect("secrets");
        let message = missing.get("a", SecretKind::S3).expect("a secret").resolve("a").expect_err("not set");
        assert!(message.contains("ARBALEST_NOT_SET"), "{message}");
    }
}
