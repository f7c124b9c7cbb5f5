//! Named credentials and endpoints of object stores.
//!
//! A location refers to a secret by name, `s3://name@bucket/path`; nothing else about the secret leaves this module. Each
//! node reads its own file, and a value that is a reference (`${env:NAME}`, `${file:PATH}`) is looked up when the first
//! client that needs it is made. Others are made while the process runs: their values are what they are, and they may hold
//! only options that name nothing of this machine.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use object_store::ClientConfigKey;
use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;
use parking_lot::RwLock;
use serde::Deserialize;
use toml::Value;

/// The secrets of a node, by name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<Named>);

#[derive(Debug, Default)]
struct Named {
    file: Option<PathBuf>,
    /// Of the file.
    told: BTreeMap<String, Arc<Secret>>,
    /// Those that were made since.
    made: RwLock<BTreeMap<String, Arc<Secret>>>,
}

/// A secret that is made while the process runs.
#[derive(Clone, PartialEq, Eq)]
pub struct MadeSecret {
    kind: SecretKind,
    options: BTreeMap<String, String>,
}

impl fmt::Debug for MadeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeSecret").field("kind", &self.kind).field("options", &"…").finish()
    }
}

impl MadeSecret {
    /// `kind` is `s3`, `gcs`, `azure` or `http`, in any case of letters. Fails with a sentence that quotes no value.
    pub fn new(kind: &str, options: impl IntoIterator<Item = (String, String)>) -> Result<Self, String> {
        let kind = SecretKind::named(kind).ok_or("the type of a secret is s3, gcs, azure or http")?;
        let mut known = BTreeMap::new();
        for (key, value) in options {
            let key = kind.made_key(&key).ok_or_else(|| {
                format!("{key} is no option of such a secret; known are {}", kind.made_keys().join(", "))
            })?;
            if known.insert(key.to_owned(), value).is_some() {
                return Err(format!("the option {key} is given twice"));
            }
        }
        let secret = Self { kind, options: known };
        secret.check_values()?;
        Ok(secret)
    }

    /// Fails for a secret that would make this machine show who it is, or go where its owner does not see.
    fn check_values(&self) -> Result<(), String> {
        let has = |keys: &[&str]| keys.iter().all(|key| self.options.get(*key).is_some_and(|value| !value.is_empty()));
        let is_anonymous = self.options.get("skip_signature").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        // Without credentials of its own a client asks for those of the machine.
        let (is_complete, needed) = match self.kind {
            SecretKind::S3 => (has(&["access_key_id", "secret_access_key"]), "access_key_id and secret_access_key"),
            SecretKind::Gcs => (has(&["service_account_key"]), "service_account_key"),
            SecretKind::Azure => {
                let keys: [&[&str]; 3] = [&["account_key"], &["sas_key"], &["client_id", "client_secret", "tenant_id"]];
                let is_complete = has(&["account_name"]) && keys.iter().any(|keys| has(keys));
                (is_complete, "account_name and account_key, sas_key, or client_id, client_secret and tenant_id")
            }
            SecretKind::Http => (true, ""),
        };
        if !is_complete && !is_anonymous {
            return Err(format!("it needs {needed}, or skip_signature true"));
        }
        // These become parts of the names of hosts.
        for key in ["region", "account_name"] {
            let is_plain = |value: &String| value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            if !self.options.get(key).is_none_or(is_plain) {
                return Err(format!("the option {key} may have letters, digits and - only"));
            }
        }
        if let Some(key) = self.options.get("service_account_key") {
            let fields: BTreeMap<String, serde_json::Value> =
                serde_json::from_str(key).map_err(|_| "the option service_account_key is not the JSON of a key".to_owned())?;
            if let Some(field) = ["gcs_base_url", "disable_oauth"].iter().find(|field| fields.contains_key(**field)) {
                return Err(format!("the option service_account_key has the field {field}"));
            }
        }
        Ok(())
    }

    /// The kind of store, as it is written.
    pub fn kind(&self) -> &'static str {
        self.kind.name()
    }

    pub fn options(&self) -> &BTreeMap<String, String> {
        &self.options
    }

    /// Where its requests go, if it says so.
    pub fn endpoint(&self) -> Option<&str> {
        self.options.get("endpoint").map(String::as_str)
    }
}

/// What kind of store a secret is for, which decides the keys that it may have.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum SecretKind {
    S3,
    Gcs,
    Azure,
    Http,
}

#[derive(Deserialize, PartialEq)]
pub(super) struct Secret {
    #[serde(rename = "type")]
    pub kind: SecretKind,
    #[serde(flatten)]
    options: BTreeMap<String, Value>,
    /// Its values are no references.
    #[serde(skip)]
    is_literal: bool,
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
        Ok(Self(Arc::new(Named { file: Some(path.into()), ..Self::parse(&text)? })))
    }

    /// The file that they are from.
    pub fn file(&self) -> Option<&Path> {
        self.0.file.as_deref()
    }

    fn parse(text: &str) -> Result<Named, String> {
        // The parser's own message shows the line, which may hold the secret.
        let table: BTreeMap<String, Value> = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            format!("line {line} is not TOML")
        })?;
        let mut secrets = BTreeMap::new();
        for (name, value) in table {
            if !is_secret_name(&name) {
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
            secrets.insert(name, Arc::new(secret));
        }
        Ok(Named { file: None, told: secrets, made: RwLock::default() })
    }

    /// Whether the file of this node has a secret of this name.
    pub fn is_told(&self, name: &str) -> bool {
        self.0.told.contains_key(name)
    }

    /// Whether a secret of this name was made, which other nodes do not know of.
    pub fn is_made(&self, name: &str) -> bool {
        !self.is_told(name) && self.0.made.read().contains_key(name)
    }

    /// Where requests with a secret that was made go, if it says so.
    pub fn made_endpoint(&self, name: &str) -> Option<String> {
        match self.0.made.read().get(name)?.options.get("endpoint")? {
            Value::String(endpoint) if !self.is_told(name) => Some(endpoint.clone()),
            _ => None,
        }
    }

    /// The secrets that were made are these from now on. Clients of those that are as they were go on.
    pub fn replace_made(&self, made: BTreeMap<String, MadeSecret>) {
        let mut known = self.0.made.write();
        let before = std::mem::take(&mut *known);
        *known = made
            .into_iter()
            .map(|(name, MadeSecret { kind, options })| {
                let options = options.into_iter().map(|(key, value)| (key, Value::String(value))).collect();
                let secret = Secret { kind, options, is_literal: true };
                let same = before.get(&name).filter(|before| ***before == secret).cloned();
                (name, same.unwrap_or_else(|| Arc::new(secret)))
            })
            .collect();
    }

    /// The secret of that name, for a store of that kind; else a sentence that says what is wrong.
    pub(super) fn get(&self, name: &str, kind: SecretKind) -> Result<Arc<Secret>, String> {
        let secret = self.0.told.get(name).cloned().or_else(|| self.0.made.read().get(name).cloned()).ok_or_else(|| {
            format!("this process has no secret named {name}: add it to the file that --secrets names, or make it with CREATE SECRET")
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
                if self.is_literal {
                    return Ok((key.as_str(), text));
                }
                let text = resolve(&text).map_err(|message| format!("the option {key} of the secret {name}: {message}"))?;
                Ok((key.as_str(), text))
            })
            .collect()
    }
}

impl SecretKind {
    const NAMES: [(Self, &'static str); 4] = [(Self::S3, "s3"), (Self::Gcs, "gcs"), (Self::Azure, "azure"), (Self::Http, "http")];

    fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(kind, _)| *kind)
    }

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The options of secrets that are made in SQL: none of them makes this machine read a file, or ask who it is.
    fn made_keys(self) -> &'static [&'static str] {
        match self {
            Self::S3 => &[
                "access_key_id",
                "secret_access_key",
                "session_token",
                "region",
                "endpoint",
                "virtual_hosted_style_request",
                "skip_signature",
                "allow_http",
                "request_payer",
                "unsigned_payload",
            ],
            Self::Gcs => &["service_account_key", "skip_signature"],
            Self::Azure => &[
                "account_name",
                "account_key",
                "sas_key",
                "client_id",
                "client_secret",
                "tenant_id",
                "endpoint",
                "skip_signature",
                "allow_http",
            ],
            Self::Http => &["allow_http", "timeout", "connect_timeout", "user_agent"],
        }
    }

    /// The option that a key means, which may be written as others do.
    fn made_key(self, key: &str) -> Option<&'static str> {
        let key = key.to_ascii_lowercase();
        let key = ["aws_", "azure_storage_", "azure_", "google_"].iter().find_map(|prefix| key.strip_prefix(prefix)).unwrap_or(&key);
        let key = match (self, key) {
            (Self::S3, "key_id") => "access_key_id",
            (Self::S3, "secret") => "secret_access_key",
            (Self::S3, "token") => "session_token",
            (Self::Azure, "access_key") => "account_key",
            (Self::Azure, "sas_token") => "sas_key",
            (_, key) => key,
        };
        self.made_keys().iter().find(|known| **known == key).copied()
    }

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

/// Whether a secret can have this name, which is a part of URLs.
pub fn is_secret_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
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
        let secrets = Secrets(Arc::new(Secrets::parse(&text).expect("secrets")));
        let secret = secrets.get("lake", SecretKind::S3).expect("a secret");
        let options = secret.resolve("lake").expect("resolved");
        let expected = [("access_key_id", "canary"), ("allow_http", "true"), ("secret_access_key", "from a file")];
        assert_eq!(options, expected.map(|(key, value)| (key, value.to_owned())));
        assert!(!format!("{secrets:?}").contains("canary"));
        assert!(secrets.get("lake", SecretKind::Gcs).is_err());
        assert!(secrets.get("pond", SecretKind::S3).expect_err("unknown").contains("pond"));
    }

    #[test]
    fn secrets_that_are_made_name_nothing_of_this_machine() {
        let option = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let made = MadeSecret::new("S3", [option("KEY_ID", "canary"), option("secret", "${env:HOME}")]).expect("a secret");
        let secrets = Secrets::default();
        secrets.replace_made([("lake".to_owned(), made.clone())].into());
        let secret = secrets.get("lake", SecretKind::S3).expect("made");
        let expected = [("access_key_id", "canary".to_owned()), ("secret_access_key", "${env:HOME}".to_owned())];
        assert_eq!(secret.resolve("lake").expect("values"), expected);
        secrets.replace_made([("lake".to_owned(), made)].into());
        assert!(Arc::ptr_eq(&secret, &secrets.get("lake", SecretKind::S3).expect("the same")));
        secrets.replace_made(BTreeMap::new());
        assert!(secrets.get("lake", SecretKind::S3).is_err());
        for (kind, options, expected) in [
            ("s3", vec![option("region", "canary")], "access_key_id and secret_access_key"),
            ("s3", vec![option("key_id", "a"), option("secret", "b"), option("region", "canary.host/")], "region"),
            ("azure", vec![option("account_name", "canary")], "account_key"),
            ("azure", vec![option("account_name", "127.0.0.1:80/canary"), option("account_key", "a")], "account_name"),
            ("gcs", vec![option("service_account_key", "{\"gcs_base_url\": \"http://canary\"}")], "gcs_base_url"),
            ("gcs", vec![option("service_account_key", "canary")], "JSON"),
        ] {
            let message = MadeSecret::new(kind, options).expect_err(expected);
            assert!(message.contains(expected) && !message.contains("canary"), "{message}");
        }
        assert!(MadeSecret::new("s3", [option("skip_signature", "true")]).is_ok());
        for (kind, key) in [("s3", "web_identity_token_file"), ("gcs", "service_account"), ("azure", "use_azure_cli"), ("s3", "proxy_url")] {
            let message = MadeSecret::new(kind, [option(key, "canary")]).expect_err(key);
            assert!(message.contains(key) && !message.contains("canary"), "{message}");
        }
    }

    /// The options of secrets that are made are ones that the stores know.
    #[test]
    fn options_of_made_secrets_are_known() {
        for (kind, _) in SecretKind::NAMES {
            for key in kind.made_keys() {
                assert!(kind.check_key(key).is_ok(), "{key}");
            }
        }
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
        let missing = Secrets::parse("[a]\ntype = \"s3\"\ntoken = \"${env:ARBALEST_NOT_SET}\"").map(|named| Secrets(Arc::new(named))).expect("secrets");
        let message = missing.get("a", SecretKind::S3).expect("a secret").resolve("a").expect_err("not set");
        assert!(message.contains("ARBALEST_NOT_SET"), "{message}");
    }
}
