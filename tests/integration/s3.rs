//! An S3 server over a directory that fails on request: what object stores do to their clients, and no more of the protocol
//! than reading needs. `tests/clients` reads from an implementation that is not ours.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const BUCKET: &str = "lake";
const KEY_ID: &str = "the-key-id";
/// Must appear nowhere.
pub const CANARY: &str = "canary-b7e1c0ffee";

/// What happens to some of the requests.
#[derive(Clone, Copy)]
pub enum Fault {
    Status(u16),
    /// The connection breaks in the middle of the body.
    Break,
    Wait(Duration),
}

struct Store {
    directory: PathBuf,
    faults: Mutex<(u64, Vec<Fault>)>,
    requests: AtomicU64,
    faulted: AtomicU64,
    reads: AtomicU64,
}

/// A running server. Dropping it closes its port.
pub struct S3 {
    address: SocketAddr,
    store: Arc<Store>,
    serving: JoinHandle<()>,
}

impl S3 {
    /// Serves the files of `directory` as those of the bucket.
    pub async fn start(directory: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let store = Arc::new(Store {
            directory: directory.to_owned(),
            faults: Mutex::default(),
            requests: AtomicU64::new(0),
            faulted: AtomicU64::new(0),
            reads: AtomicU64::new(0),
        });
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&store));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Self { address, store, serving }
    }

    /// The location of a directory or file in the bucket, by the secret of [`Self::secrets`].
    pub fn location(&self, path: &str) -> String {
        format!("s3://store@{BUCKET}/{path}")
    }

    /// A file for `--secrets`, in `directory`.
    pub fn secrets(&self, directory: &Path) -> String {
        self.secrets_with_key(directory, KEY_ID)
    }

    pub fn secrets_with_key(&self, directory: &Path, key_id: &str) -> String {
        let path = directory.join("secrets.toml");
        let text = format!(
            "[store]\ntype = \"s3\"\nendpoint = \"http://{}\"\nregion = \"here\"\naccess_key_id = \"{key_id}\"\n\
             secret_access_key = \"{CANARY}\"\n",
            self.address
        );
        std::fs::write(&path, text).expect("a writable directory");
        path.display().to_string()
    }

    /// The statement that makes the secret of [`S3::secrets`], with another key if one is given.
    pub fn create_secret(&self, name: &str, key: Option<&str>) -> String {
        format!(
            "CREATE SECRET {name} (TYPE s3, KEY_ID '{}', SECRET '{CANARY}', ENDPOINT 'http://{}', REGION 'us-east-1', allow_http true)",
            key.unwrap_or(KEY_ID),
            self.address
        )
    }

    /// From now on `permille` of the requests meet one of `faults`.
    pub fn fail(&self, permille: u64, faults: &[Fault]) {
        *self.store.faults.lock() = (permille, faults.to_vec());
    }

    /// Requests that met a fault.
    pub fn faulted(&self) -> u64 {
        self.store.faulted.load(Ordering::SeqCst)
    }

    /// Requests for contents.
    pub fn reads(&self) -> u64 {
        self.store.reads.load(Ordering::SeqCst)
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(store): State<Arc<Store>>, request: Request) -> Response {
    let number = store.requests.fetch_add(1, Ordering::SeqCst);
    let mut breaks = false;
    let fault = {
        let faults = store.faults.lock();
        // Spread evenly, and the same in every run.
        let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        (spread % 1000 < faults.0).then(|| faults.1[(spread / 1000) as usize % faults.1.len()])
    };
    if let Some(fault) = fault {
        store.faulted.fetch_add(1, Ordering::SeqCst);
        match fault {
            Fault::Status(status) => return problem(StatusCode::from_u16(status).expect("a status"), "SlowDown"),
            Fault::Break => breaks = true,
            Fault::Wait(duration) => tokio::time::sleep(duration).await,
        }
    }
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !authorization.is_some_and(|value| value.contains(&format!("Credential={KEY_ID}/"))) {
        return problem(StatusCode::FORBIDDEN, "AccessDenied");
    }
    let Some(key) = request.uri().path().strip_prefix(&format!("/{BUCKET}")) else {
        return problem(StatusCode::NOT_FOUND, "NoSuchBucket");
    };
    match key.trim_start_matches('/') {
        "" => list(&store, request.uri().query().unwrap_or_default()),
        key => {
            if request.method() == Method::GET {
                store.reads.fetch_add(1, Ordering::SeqCst);
            }
            read(&store, &parameter(&format!("key={key}"), "key"), request.method(), request.headers(), breaks)
        }
    }
}

fn problem(status: StatusCode, code: &str) -> Response {
    (status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>")).into_response()
}

fn list(store: &Store, query: &str) -> Response {
    let prefix = parameter(query, "prefix");
    let mut entries = String::new();
    for path in files(&store.directory) {
        let key = path.strip_prefix(&store.directory).expect("below").display().to_string();
        let metadata = path.metadata().expect("a file");
        if key.starts_with(&prefix) {
            let (size, changed) = (metadata.len(), changed(&metadata));
            let changed = changed.format("%Y-%m-%dT%H:%M:%S.000Z");
            let _ = write!(
                entries,
                "<Contents><Key>{key}</Key><LastModified>{changed}</LastModified><ETag>\"{size}\"</ETag><Size>{size}</Size></Contents>"
            );
        }
    }
    format!("<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>").into_response()
}

/// The decoded value of a parameter; empty if there is none.
fn parameter(query: &str, name: &str) -> String {
    let url = reqwest::Url::parse(&format!("http://host/?{query}")).expect("a query");
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn changed(metadata: &std::fs::Metadata) -> chrono::DateTime<chrono::Utc> {
    metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH).into()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn read(store: &Store, key: &str, method: &Method, headers: &HeaderMap, breaks: bool) -> Response {
    let path = store.directory.join(key);
    let Ok(content) = std::fs::read(&path) else { return problem(StatusCode::NOT_FOUND, "NoSuchKey") };
    let size = content.len();
    let changed = changed(&path.metadata().expect("a file")).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let content = Bytes::from(content);
    let range = headers.get(header::RANGE).and_then(|range| {
        let (start, end) = range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
        let start: usize = start.parse().ok()?;
        Some(start..end.parse::<usize>().map_or(size, |end| end + 1).min(size))
    });
    let (status, part) = match &range {
        Some(range) => (StatusCode::PARTIAL_CONTENT, content.slice(range.clone())),
        None => (StatusCode::OK, content),
    };
    let mut response = Response::builder()
        .status(status)
        .header(header::ETAG, format!("\"{size}\""))
        .header(header::LAST_MODIFIED, changed)
        .header(header::CONTENT_LENGTH, part.len());
    if let Some(range) = range {
        response = response.header(header::CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1));
    }
    let body = match (method == Method::HEAD, breaks) {
        (true, _) => Body::empty(),
        (false, false) => Body::from(part),
        (false, true) => {
            let half = part.slice(..part.len() / 2);
            Body::from_stream(stream::iter([Ok(half), Err(std::io::Error::other("broken on request"))]))
        }
    };
    response.body(body).expect("a response")
}
