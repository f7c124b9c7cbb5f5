//! One table of all the files that a location in a statement names.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::session_state::SessionState;
use engine::table_format::{FileKind, FileName, TableFiles};
use engine::{Engine, TableVersion};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use url::Url;

use super::listing::{DELTA_LOG, ListedFile, store_error, table_files};
use super::rules::{LocationRules, local_path};
use super::{error, expand};
use crate::error::Result;

/// What is at a location.
#[derive(Debug)]
pub(crate) enum Located {
    Files(TableFiles),
    /// The directory of a Delta table.
    Delta(Url),
}

/// Looks at what a statement names. All files are of `kind` if it is given, else of the kind that their names say.
pub(crate) async fn locate(state: &SessionState, rules: &LocationRules, location: &str, kind: Option<FileKind>) -> Result<Located> {
    let urls = urls(state, rules, location).await?;
    let mut files: Vec<ListedFile> = vec![];
    for url in &urls {
        let listed = list(state, url, location).await?;
        if listed.iter().any(|(parts, _)| parts.iter().any(|part| part == DELTA_LOG)) {
            return match (urls.as_slice(), kind) {
                ([url], None) => Ok(Located::Delta(directory(url))),
                _ => Err(error(location, "holds a Delta table, whose files alone would show deleted rows; name its directory alone")),
            };
        }
        // Writers leave `_SUCCESS`, `.crc` and `_temporary` behind. A file that is named itself is meant.
        let is_named = |file: &ObjectMeta| file.location == *url.prefix();
        let is_hidden = |parts: &[String]| parts.iter().any(|part| part.starts_with(['_', '.']));
        files.extend(listed.into_iter().filter(|(parts, file)| is_named(file) || !is_hidden(parts)));
    }
    for (_, file) in files.iter().filter(|_| urls.iter().all(|url| url.scheme() == "file")) {
        rules.check_file(&local_path_of(&file.location).ok_or_else(|| error(location, "holds a file without a path"))?, location)?;
    }
    let named = |name: &str| match kind {
        Some(kind) => Some(FileName::of_kind(name, kind)),
        None => FileName::parse(name),
    };
    let none = || error(location, format!("holds no file that can be read; known are {}", FileName::SUFFIXES));
    let files = table_files(urls, files, 0, named)?.ok_or_else(none)?;
    Ok(Located::Files(TableFiles { is_fixed: true, ..files }))
}

/// The latest version of a Delta table that a statement names. Its log may name what is somewhere else.
pub(crate) async fn open_delta(engine: &Engine, rules: &LocationRules, url: &Url, location: &str) -> Result<Arc<TableVersion>> {
    let version = engine.tables().latest(url).await?;
    if url.scheme() == "file" {
        for path in version.paths()? {
            let path = local_path_of(&path).ok_or_else(|| error(location, "names a file without a path"))?;
            // A file that is gone fails the query that reads it.
            if path.exists() {
                rules.check_file(&path, location)?;
            }
        }
    }
    Ok(version)
}

/// The files and directories that a location names, which a statement may name.
pub(crate) async fn urls(state: &SessionState, rules: &LocationRules, location: &str) -> Result<Vec<ListingTableUrl>> {
    rules.check(location).await?;
    let mut urls = expand(state, location).await?;
    if location.contains(['*', '?', '[']) {
        // A pattern does not mean what writers leave behind.
        urls.retain(|url| url.prefix().filename().is_none_or(|name| !name.starts_with(['_', '.'])));
    }
    for path in urls.iter().filter(|url| url.scheme() == "file").filter_map(|url| local_path_of(url.prefix())) {
        rules.check_file(&path, location)?;
    }
    Ok(urls)
}

/// The URL of a file or directory that a statement may make.
pub(crate) async fn new_location(rules: &LocationRules, location: &str) -> Result<Url> {
    rules.check_export(location).await?;
    let Some(path) = local_path(location) else {
        let url = Url::parse(location).map_err(|e| error(location, format!("is not a URL: {e}")))?;
        super::check_url(&url, location)?;
        return Ok(url);
    };
    let path = std::path::absolute(&path).map_err(|e| error(location, super::describe_io(&e)))?;
    if let Some(existing) = path.ancestors().find(|path| path.exists()) {
        rules.check_export_directory(existing, location)?;
    }
    let url = if location.ends_with('/') { Url::from_directory_path(&path) } else { Url::from_file_path(&path) };
    url.map_err(|()| error(location, "is not an absolute path"))
}

/// The URL of a directory, with a slash at the end.
pub(crate) fn directory(url: &ListingTableUrl) -> Url {
    let mut url: Url = url.get_url().clone();
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url
}

/// Where an object of the local store is.
pub(super) fn local_path_of(location: &Path) -> Option<PathBuf> {
    let mut url = Url::parse("file:///").ok()?;
    // As the store does it: some characters of a name mean something in URLs.
    url.path_segments_mut().ok()?.clear().extend(location.parts());
    url.to_file_path().ok()
}

/// A file, or all files below a directory, with what is below `url` of their paths.
async fn list(state: &SessionState, url: &ListingTableUrl, location: &str) -> Result<Vec<ListedFile>> {
    let store = state
        .runtime_env()
        .object_store(url.object_store())
        .map_err(|e| error(location, e.find_root().strip_backtrace()))?;
    let prefix = url.prefix();
    if !url.get_url().path().ends_with('/') {
        match store.head(prefix).await {
            Ok(file) => return Ok(vec![(prefix.filename().map(str::to_owned).into_iter().collect(), file)]),
            Err(object_store::Error::NotFound { .. }) if url.scheme() != "file" => {}
            Err(e) => return Err(store_error(location, e)),
        }
    }
    let objects: Vec<ObjectMeta> = store.list(Some(prefix)).try_collect().await.map_err(|e| store_error(location, e))?;
    let mut files: Vec<ListedFile> = objects
        .into_iter()
        .filter_map(|object| {
            let parts: Vec<String> = url.strip_prefix(&object.location)?.map(str::to_owned).collect();
            (!parts.is_empty() && object.size > 0).then_some((parts, object))
        })
        .collect();
    files.sort_by(|(_, a), (_, b)| a.location.cmp(&b.location));
    Ok(files)
}
