//! URL → client of a remote store.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};
use url::{Position, Url};

use super::secrets::{Secret, SecretKind, Secrets};

/// A request takes no longer; what was received of its body by then is kept, and the rest asked for again.
const REQUEST_TIMEOUT: &str = "20s";
const CONNECT_TIMEOUT: &str = "5s";
/// Stores inside a network often have no certificates.
const ALLOW_HTTP: &str = "true";
const CLIENT_DEFAULTS: [(ClientConfigKey, &str); 3] = [
    (ClientConfigKey::Timeout, REQUEST_TIMEOUT),
    (ClientConfigKey::ConnectTimeout, CONNECT_TIMEOUT),
    (ClientConfigKey::AllowHttp, ALLOW_HTTP),
];
/// After this a fault is no longer taken for a passing one. A query says what is wrong within a minute, also when its
/// task is run a second time.
const RETRY_TIMEOUT: Duration = Duration::from_secs(15);
const RETRIES_MAX: usize = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What the secret of such a URL must be for; `None` if there is no client for its scheme.
fn kind_of(url: &Url) -> Option<SecretKind> {
    match url.scheme() {
        "s3" | "s3a" => Some(SecretKind::S3),
        "gs" | "gcs" => Some(SecretKind::Gcs),
        "az" | "azure" | "abfs" | "abfss" => Some(SecretKind::Azure),
        "http" | "https" => Some(SecretKind::Http),
        _ => None,
    }
}

/// Fails with a sentence if there can be no client for `url`, whoever asks. The sentence does not quote it.
pub fn check_url(url: &Url) -> Result<(), String> {
    if kind_of(url).is_none() {
        let known = "use a path or file, s3, gs, az, abfss or http(s)";
        return Err(format!("locations of scheme {}:// are not supported; {known}", url.scheme()));
    }
    if url.password().is_some() {
        return Err("a location must not hold credentials; put them into a secret and write its name before the @".into());
    }
    match url.host_str() {
        None | Some("") => Err("the URL names no bucket".into()),
        Some(_) => Ok(()),
    }
}

/// The name of the secret in a URL: what is before the `@`. In `abfss://container@account…` that is the container.
pub fn secret_of(url: &Url) -> Option<&str> {
    (!url.username().is_empty() && !matches!(url.scheme(), "abfs" | "abfss")).then(|| url.username())
}

/// The secret that a URL names, if it names one.
pub(super) fn secret(url: &Url, secrets: &Secrets) -> Result<Option<Arc<Secret>>, String> {
    let Some(kind) = kind_of(url) else { return Err("the URL names no store".into()) };
    secret_of(url).map(|name| secrets.get(name, kind)).transpose()
}

/// A client for the bucket, container or host of a URL that was checked. Credentials come from its secret, or else from the
/// environment or the machine's role. Fails with a sentence.
pub(super) fn open(url: &Url, secret: Option<&Secret>) -> Result<Arc<dyn ObjectStore>, String> {
    check_url(url)?;
    let (Some(kind), Some(bucket)) = (kind_of(url), url.host_str()) else { return Err("the URL names no store".into()) };
    let options = secret.map(|secret| secret.resolve(secret_of(url).unwrap_or_default())).transpose()?;
    build(url, kind, bucket, options).map_err(|error| error.to_string())
}

fn build(
    url: &Url,
    kind: SecretKind,
    bucket: &str,
    options: Option<Vec<(&str, String)>>,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    let retry = RetryConfig {
        backoff: BackoffConfig { init_backoff: FIRST_PAUSE, max_backoff: LONGEST_PAUSE, base: 2.0 },
        max_retries: RETRIES_MAX,
        retry_timeout: RETRY_TIMEOUT,
    };
    let from_env = options.is_none();
    let options = options.unwrap_or_default();
    Ok(match kind {
        SecretKind::S3 => {
            let builder = if from_env { AmazonS3Builder::from_env() } else { AmazonS3Builder::new() };
            let builder = configured(builder, AmazonS3ConfigKey::Client, options, AmazonS3Builder::with_config)?;
            Arc::new(builder.with_retry(retry).with_bucket_name(bucket).build()?)
        }
        SecretKind::Gcs => {
            let builder = if from_env { GoogleCloudStorageBuilder::from_env() } else { GoogleCloudStorageBuilder::new() };
            let builder = configured(builder, GoogleConfigKey::Client, options, GoogleCloudStorageBuilder::with_config)?;
            Arc::new(builder.with_retry(retry).with_bucket_name(bucket).build()?)
        }
        SecretKind::Azure => {
            let builder = if from_env { MicrosoftAzureBuilder::from_env() } else { MicrosoftAzureBuilder::new() };
            let builder = configured(builder, AzureConfigKey::Client, options, MicrosoftAzureBuilder::with_config)?;
            let builder = match url.scheme() {
                // Which names the account too.
                "abfs" | "abfss" => builder.with_url(url.as_str()),
                _ => builder.with_container_name(bucket),
            };
            Arc::new(builder.with_retry(retry).build()?)
        }
        SecretKind::Http => {
            let builder = configured(HttpBuilder::new(), |key| key, options, HttpBuilder::with_config)?;
            let root = format!("{}://{}", url.scheme(), &url[Position::BeforeHost..Position::AfterPort]);
            Arc::new(builder.with_retry(retry).with_url(root).build()?)
        }
    })
}

/// The builder of one kind of store with our defaults, which its own options replace.
fn configured<B, K: FromStr<Err = object_store::Error>>(
    builder: B,
    client_key: impl Fn(ClientConfigKey) -> K,
    options: Vec<(&str, String)>,
    with_config: impl Fn(B, K, String) -> B,
) -> object_store::Result<B> {
    let defaults = CLIENT_DEFAULTS.map(|(key, value)| (client_key(key), value.to_owned()));
    let builder = defaults.into_iter().fold(builder, |builder, (key, value)| with_config(builder, key, value));
    options.into_iter().try_fold(builder, |builder, (key, value)| Ok(with_config(builder, key.parse()?, value)))
}
