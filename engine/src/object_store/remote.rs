//! A remote store whose client is made at first use, and whose errors say whether they may pass.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::error::DataFusionError;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use parking_lot::RwLock;
use url::Url;

use super::client;
use super::secrets::{Secret, Secrets};
use crate::metrics;

const STORE: &str = "object store";

/// The client of one bucket and secret. A scheduler passes plans on that name buckets whose secrets it does not have.
pub(super) struct RemoteStore {
    url: Url,
    secrets: Secrets,
    client: RwLock<Option<Client>>,
}

/// A client and the secret that it was made with.
#[derive(Clone)]
struct Client {
    secret: Option<Arc<Secret>>,
    store: Arc<dyn ObjectStore>,
}

impl RemoteStore {
    pub(super) fn new(url: Url, secrets: Secrets) -> Self {
        Self { url, secrets, client: RwLock::new(None) }
    }

    /// The client for the secret as it is now.
    fn client(&self) -> Result<Arc<dyn ObjectStore>> {
        let fail = |message: String| Error::Generic { store: STORE, source: message.into() };
        let secret = client::secret(&self.url, &self.secrets).map_err(fail)?;
        let is_same = |client: &&Client| match (&client.secret, &secret) {
            (Some(known), Some(secret)) => Arc::ptr_eq(known, secret),
            (None, None) => true,
            _ => false,
        };
        if let Some(client) = self.client.read().as_ref().filter(is_same) {
            return Ok(Arc::clone(&client.store));
        }
        let mut kept = self.client.write();
        // Another may have been faster.
        if let Some(client) = kept.as_ref().filter(is_same) {
            return Ok(Arc::clone(&client.store));
        }
        let store = client::open(&self.url, secret.as_deref()).map_err(fail)?;
        *kept = Some(Client { secret, store: Arc::clone(&store) });
        Ok(store)
    }

    fn classified(&self) -> impl Fn(Error) -> Error + Send + 'static {
        let location = self.to_string();
        move |error| classified(error, &location)
    }

    fn classified_rows<T: Send + 'static>(&self, rows: BoxStream<'static, Result<T>>) -> BoxStream<'static, Result<T>> {
        let classified = self.classified();
        rows.map(move |row| row.map_err(&classified)).boxed()
    }
}

impl fmt::Debug for RemoteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteStore").field("host", &self.url.host_str()).finish()
    }
}

impl fmt::Display for RemoteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())
    }
}

/// How the client quotes the status of an answer.
const STATUS: &str = "status code: ";

/// Counts the error, and marks it if another try may succeed: the scheduler runs a task again whose error is, at its root,
/// one of input and output. The client has tried for a while already.
fn classified(error: Error, location: &str) -> Error {
    let Error::Generic { store, source } = error else {
        metrics::object_store_error("refused");
        return error;
    };
    let text = source.to_string();
    let status = text.split_once(STATUS).and_then(|(_, rest)| rest.get(..3)?.parse::<u16>().ok());
    let path = location.to_owned();
    match status {
        // The client knows these of single objects, but not of lists.
        Some(401 | 403) => {
            metrics::object_store_error("refused");
            Error::PermissionDenied { path, source }
        }
        Some(404) => {
            metrics::object_store_error("refused");
            Error::NotFound { path, source }
        }
        Some(400..500) if !matches!(status, Some(408 | 429)) => {
            metrics::object_store_error("refused");
            Error::Generic { store, source }
        }
        _ => {
            metrics::object_store_error("transient");
            let source = DataFusionError::IoError(std::io::Error::other(source));
            Error::Generic { store, source: Box::new(source) }
        }
    }
}

#[async_trait]
impl ObjectStore for RemoteStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.client()?.put_opts(location, payload, options).await.map_err(self.classified())
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.client()?.put_multipart_opts(location, options).await.map_err(self.classified())
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.client()?.get_opts(location, options).await.map_err(self.classified())
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.client()?.get_ranges(location, ranges).await.map_err(self.classified())
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.client() {
            Ok(client) => self.classified_rows(client.delete_stream(locations)),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.client() {
            Ok(client) => self.classified_rows(client.list(prefix)),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.client() {
            Ok(client) => self.classified_rows(client.list_with_offset(prefix, offset)),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.client()?.list_with_delimiter(prefix).await.map_err(self.classified())
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.client()?.copy_opts(from, to, options).await.map_err(self.classified())
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.client()?.rename_opts(from, to, options).await.map_err(self.classified())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_marked() {
        for (text, is_transient) in [
            ("after 10 retries - Server returned non-2xx status code: 503 Slow Down", true),
            ("Server returned non-2xx status code: 429", true),
            ("error sending request", true),
            ("Server returned non-2xx status code: 400 Bad Request", false),
        ] {
            let error = classified(Error::Generic { store: "S3", source: text.into() }, "s3://bucket");
            let Error::Generic { source, .. } = &error else { panic!("{error}") };
            let root = source.downcast_ref::<DataFusionError>();
            assert_eq!(matches!(root, Some(DataFusionError::IoError(_))), is_transient, "{text}");
        }
        let denied = Error::Generic { store: "S3", source: "listing: status code: 403 Forbidden".into() };
        assert!(matches!(classified(denied, "s3://bucket"), Error::PermissionDenied { .. }));
    }
}
