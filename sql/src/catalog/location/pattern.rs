//! Patterns in the URL of a remote store: `s3://bucket/2026-*/orders.parquet`. (A `?` begins a URL's query.)

use std::collections::BTreeSet;

use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::session_state::SessionState;
use engine::table_format::FileName;
use futures::TryStreamExt;
use glob::{MatchOptions, Pattern};
use object_store::path::Path;
use url::Url;

use super::error;
use super::listing::{below, store_error};
use crate::error::Result;

/// `*` stays within a directory, as in a shell.
const WITHIN_DIRECTORIES: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The files and directories of the store that the path of `url` matches, each a location.
pub(super) async fn matches(state: &SessionState, mut url: Url, location: &str) -> Result<Vec<ListingTableUrl>> {
    let path = Path::from_url_path(url.path()).map_err(|e| error(location, e.to_string()))?;
    let pattern = Pattern::new(path.as_ref()).map_err(|e| error(location, format!("is not a valid pattern: {e}")))?;
    let is_plain = |part: &str| !part.contains(['*', '[', '?']);
    let prefix = Path::from_iter(path.parts().take_while(|part| is_plain(part.as_ref())));
    url.set_path("/");
    let root = ListingTableUrl::try_new(url, None).map_err(|e| error(location, e.strip_backtrace()))?;
    let store = state
        .runtime_env()
        .object_store(root.object_store())
        .map_err(|e| error(location, e.find_root().strip_backtrace()))?;

    let levels = path.parts().count();
    let mut found = BTreeSet::new();
    let mut objects = store.list(Some(&prefix));
    while let Some(object) = objects.try_next().await.map_err(|e| store_error(location, e))? {
        let parts: Vec<&str> = object.location.as_ref().split('/').collect();
        let is_file = parts.len() <= levels;
        let matched = if is_file { parts.join("/") } else { parts[..levels].join("/") };
        let is_served = !is_file || object.location.filename().is_some_and(|name| FileName::parse(name).is_some());
        if is_served && pattern.matches_with(&matched, WITHIN_DIRECTORIES) {
            found.insert((matched, !is_file));
        }
    }
    if found.is_empty() {
        return Err(error(location, "matches no file that can be served"));
    }
    found.iter().map(|(path, is_directory)| below(&root, path, *is_directory)).collect()
}
