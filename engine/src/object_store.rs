//! URL → object store. One client per scheme, bucket and secret, made at first use and shared by every query.

mod client;
mod local_files;
mod parts;
mod remote;
mod secrets;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::ExecutionPlan;
use object_store::ObjectStore;
use parking_lot::RwLock;
use url::Url;

pub use client::{check_url, secret_of};
pub use secrets::{MadeSecret, Secrets, is_secret_name};

use local_files::LocalFiles;
use parts::Parts;
use remote::RemoteStore;

/// The object stores of a process. Credentials come from its secrets, the environment or the machine's role, never from a
/// query.
#[derive(Debug)]
pub struct ObjectStores {
    stores: RwLock<HashMap<String, Arc<dyn ObjectStore>>>,
    secrets: Secrets,
    /// `None` if nothing is kept.
    parts: Option<Parts>,
}

impl ObjectStores {
    /// Up to `cache_bytes` of remote files are kept in memory.
    pub fn new(secrets: Secrets, cache_bytes: u64) -> Arc<Self> {
        let parts = (cache_bytes > 0).then(|| Parts::new(cache_bytes));
        Arc::new(Self { stores: RwLock::default(), secrets, parts })
    }

    /// For a process that passes plans on and reads no file itself.
    pub fn unread() -> Arc<Self> {
        Self::new(Secrets::default(), 0)
    }

    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The plan with its scans of remote files reading through this process's cache.
    pub fn cached(&self, plan: Arc<dyn ExecutionPlan>, runtime: &RuntimeEnv) -> Result<Arc<dyn ExecutionPlan>> {
        match &self.parts {
            Some(parts) => parts::cached(plan, parts, runtime),
            None => Ok(plan),
        }
    }

    fn open(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if url.scheme() == "file" {
            return Ok(Arc::new(LocalFiles::default()));
        }
        check_url(url).map_err(DataFusionError::Configuration)?;
        Ok(Arc::new(RemoteStore::new(url.clone(), self.secrets.clone())))
    }
}

impl ObjectStoreRegistry for ObjectStores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.stores.write().insert(store_key(url), store)
    }

    fn deregister_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        self.stores
            .write()
            .remove(&store_key(url))
            .ok_or_else(|| DataFusionError::Execution(format!("no object store is registered for {url}")))
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let key = store_key(url);
        if let Some(store) = self.stores.read().get(&key) {
            return Ok(Arc::clone(store));
        }
        let store = self.open(url)?;
        Ok(Arc::clone(self.stores.write().entry(key).or_insert(store)))
    }
}

/// Scheme, secret, host and port: what one client serves.
fn store_key(url: &Url) -> String {
    format!("{}://{}", url.scheme(), &url[url::Position::BeforeUsername..url::Position::AfterPort])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores() -> Arc<ObjectStores> {
        ObjectStores::new(Secrets::default(), 0)
    }

    fn get(stores: &ObjectStores, url: &str) -> Result<Arc<dyn ObjectStore>> {
        stores.get_store(&Url::parse(url).expect("url"))
    }

    #[test]
    fn one_client_serves_a_bucket_and_secret() {
        let stores = stores();
        let client = |url: &str| get(&stores, url).expect("store");
        assert!(Arc::ptr_eq(&client("file:///tmp/a"), &client("file:///var/b")));
        assert!(Arc::ptr_eq(&client("s3://lake@bucket/a"), &client("s3://lake@bucket/b/c")));
        assert!(!Arc::ptr_eq(&client("s3://lake@bucket/a"), &client("s3://bucket/a")));
        assert!(!Arc::ptr_eq(&client("s3://lake@bucket/a"), &client("s3://lake@other/a")));
    }

    #[test]
    fn a_url_that_cannot_be_served_is_explained_without_its_password() {
        for (url, expected) in [("ftp://host/x", "ftp://"), ("s3://key:canary@bucket/x", "must not hold credentials")] {
            let error = get(&stores(), url).expect_err("refused").to_string();
            assert!(error.contains(expected) && !error.contains("canary"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_secret_that_is_missing_is_named() {
        let store = get(&stores(), "s3://pond@bucket/x").expect("a store for plans");
        let error = store.list_with_delimiter(None).await.expect_err("no secret");
        assert!(error.to_string().contains("no secret named pond"), "{error}");
    }
}
