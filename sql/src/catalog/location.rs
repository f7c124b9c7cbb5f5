//! LOCATION → tables: a file, a directory, a glob or a URL is listed, and what is found becomes tables named after it.

pub(crate) mod files;
mod listing;
pub(crate) mod options;
mod pattern;
mod rules;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::catalog::{MemoryCatalogProviderList, TableProvider};
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::session_state::SessionState;
use engine::Engine;
use engine::table_format::{FileName, FileTable};
use url::Url;

use self::listing::Listed;
use super::planned_relation::PlannedRelation;
use super::{Table, TableKind};
use crate::error::{Error, Result};

pub use rules::LocationRules;
pub(crate) use rules::granted_location;

/// A table made of files.
#[derive(Debug)]
pub struct FoundTable {
    pub name: String,
    pub location: String,
    /// In plans; of a Delta table its columns only.
    provider: Arc<dyn TableProvider>,
    bytes: Option<u64>,
    delta: Option<Url>,
}

impl FoundTable {
    pub(super) fn into_table(self, oid: u32) -> Table {
        Table {
            oid,
            name: self.name,
            kind: TableKind::External,
            definition: None,
            delta: self.delta,
            schema: self.provider.schema(),
            location: Some(self.location),
            provider: self.provider,
            row_count: None,
            size_bytes: self.bytes,
        }
    }
}

/// Finds and opens the tables of all `locations`, before there is a session to do it for. What is below `own` is none, unless
/// it is a location itself.
pub async fn open_locations(engine: &Engine, locations: &[String], own: &[PathBuf]) -> Result<Vec<FoundTable>> {
    let rules = LocationRules::new(locations, &[], own, false);
    let state = engine.local_state(Arc::new(MemoryCatalogProviderList::new()), |_| {});
    let mut tables = Vec::new();
    for location in locations {
        tables.extend(open_location(engine, &state, &rules, location).await?);
    }
    Ok(tables)
}

/// Finds and opens the tables of a location. Fails with a sentence that names what is missing or broken.
async fn open_location(engine: &Engine, state: &SessionState, rules: &LocationRules, location: &str) -> Result<Vec<FoundTable>> {
    let mut tables = Vec::new();
    for url in expand(state, location).await? {
        tables.extend(listing::list(state, rules, &url, location).await?);
    }
    if tables.is_empty() {
        return Err(error(location, format!("holds no file that can be served; known are {}", FileName::SUFFIXES)));
    }
    let mut opened = Vec::with_capacity(tables.len());
    for table in tables {
        opened.push(match table {
            Listed::Files(name, files) => {
                let location = files.url().to_string();
                let FileTable { provider, bytes } = FileTable::open(state, files).await?;
                FoundTable { name, location, provider, bytes: Some(bytes), delta: None }
            }
            Listed::Delta(name, url) => {
                let schema = Arc::clone(engine.tables().latest(&url).await?.schema());
                let provider = Arc::new(PlannedRelation { schema, query: None });
                FoundTable { name, location: url.to_string(), provider, bytes: None, delta: Some(url) }
            }
        });
    }
    Ok(opened)
}

fn error(location: &str, message: impl Into<String>) -> Error {
    Error::Location { location: location.to_owned(), message: message.into() }
}

/// The URLs that a location stands for: more than one if it is a glob, whose matches are each a location.
async fn expand(state: &SessionState, location: &str) -> Result<Vec<ListingTableUrl>> {
    if !location.contains("://") {
        return expand_path(location, PathBuf::from(location));
    }
    let url = Url::parse(location).map_err(|e| error(location, format!("is not a URL: {e}")))?;
    if url.scheme() == "file" {
        let path = url.to_file_path().map_err(|()| error(location, "is not the URL of a local file"))?;
        return expand_path(location, path);
    }
    check_url(&url, location)?;
    if url.path().contains(['*', '[']) {
        return pattern::matches(state, url, location).await;
    }
    let url = ListingTableUrl::parse(location).map_err(|e| error(location, e.strip_backtrace()))?;
    Ok(vec![url])
}

/// Fails for a URL that no store has, with a sentence that shows no password.
fn check_url(url: &Url, location: &str) -> Result<()> {
    engine::check_url(url).map_err(|message| match url.password() {
        Some(_) => error(&format!("{}://…", url.scheme()), message),
        None => error(location, message),
    })
}

fn expand_path(location: &str, path: PathBuf) -> Result<Vec<ListingTableUrl>> {
    if !path.exists() && location.contains(['*', '?', '[']) {
        let pattern = path.to_string_lossy();
        let matches = glob::glob(&pattern).map_err(|e| error(location, format!("is not a valid pattern: {e}")))?;
        let mut paths: Vec<PathBuf> =
            matches.collect::<Result<_, _>>().map_err(|e| error(location, format!("cannot be listed: {e}")))?;
        // A pattern does not mean what writers leave behind.
        paths.retain(|path| file_name(path).is_some_and(|name| !name.starts_with(['_', '.'])));
        paths.retain(|path| path.is_dir() || file_name(path).is_some_and(|name| FileName::parse(&name).is_some()));
        if paths.is_empty() {
            return Err(error(location, "matches no file that can be served"));
        }
        return paths.iter().map(|path| path_url(location, path)).collect();
    }
    std::fs::metadata(&path).map_err(|e| error(location, describe_io(&e)))?;
    Ok(vec![path_url(location, &path)?])
}

fn describe_io(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist".into(),
        std::io::ErrorKind::PermissionDenied => "may not be read by this user".into(),
        _ => error.to_string(),
    }
}

fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// A URL without globs: characters such as `*` or `#` in a path are themselves.
fn path_url(location: &str, path: &Path) -> Result<ListingTableUrl> {
    let absolute = std::fs::canonicalize(path).map_err(|e| error(location, describe_io(&e)))?;
    let url = if absolute.is_dir() { Url::from_directory_path(&absolute) } else { Url::from_file_path(&absolute) };
    let url = url.map_err(|()| error(location, "is not an absolute path"))?;
    ListingTableUrl::try_new(url, None).map_err(|e| error(location, e.strip_backtrace()))
}
