//! URL → object store. One client per scheme and bucket, made at first use and shared by every query.

mod local_files;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreRegistry;
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use parking_lot::RwLock;
use url::Url;

use local_files::LocalFiles;

/// The object stores of a process. Credentials come from the environment or the instance's role, never from a query.
#[derive(Debug, Default)]
pub struct ObjectStores {
    stores: RwLock<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl ObjectStores {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    fn open(url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let bucket = || {
            url.host_str()
                .map(str::to_owned)
                .ok_or_else(|| DataFusionError::Configuration(format!("{url}: the URL names no bucket")))
        };
        let store: Arc<dyn ObjectStore> = match url.scheme() {
            "file" => Arc::new(LocalFiles::default()),
            "s3" | "s3a" => Arc::new(
                AmazonS3Builder::from_env().with_bucket_name(bucket()?).with_allow_http(true).build()?,
            ),
            "gs" | "gcs" => Arc::new(GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket()?).build()?),
            "az" | "azure" | "abfs" | "abfss" => {
                Arc::new(MicrosoftAzureBuilder::from_env().with_container_name(bucket()?).build()?)
            }
            "http" | "https" => Arc::new(HttpBuilder::new().with_url(store_key(url)).build()?),
            scheme => {
                return Err(DataFusionError::Configuration(format!(
                    "{url}: locations of scheme {scheme}:// are not supported; use a path or file, s3, gs, az or http(s)"
                )));
            }
        };
        Ok(store)
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
        let store = Self::open(url)?;
        Ok(Arc::clone(self.stores.write().entry(key).or_insert(store)))
    }
}

/// Scheme, host and port: what one client serves.
fn store_key(url: &Url) -> String {
    format!("{}://{}", url.scheme(), &url[url::Position::BeforeHost..url::Position::AfterPort])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_serves_a_bucket() {
        let stores = ObjectStores::new();
        let a = stores.get_store(&Url::parse("file:///tmp/a").expect("url")).expect("store");
        let b = stores.get_store(&Url::parse("file:///var/b").expect("url")).expect("store");
        assert!(Arc::ptr_eq(&a, &b));
    }

    #[test]
    fn an_unknown_scheme_is_named() {
        let error = ObjectStores::new().get_store(&Url::parse("ftp://host/x").expect("url")).expect_err("refused");
        assert!(error.to_string().contains("ftp://"), "{error}");
    }
}
