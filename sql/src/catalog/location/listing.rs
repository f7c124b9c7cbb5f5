//! Lists what is below a URL and groups the files into tables.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::session_state::SessionState;
use engine::table_format::{FileName, TableFiles};
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStoreExt};
use tracing::warn;
use url::Url;

use super::error;
use crate::error::{Error, Result};

/// The tables below a URL by name, unopened.
pub(super) async fn list(
    state: &SessionState,
    url: &ListingTableUrl,
    location: &str,
) -> Result<Vec<(String, TableFiles)>> {
    let store = state
        .runtime_env()
        .object_store(url.object_store())
        .map_err(|e| error(location, e.find_root().strip_backtrace()))?;
    let prefix = url.prefix();
    if !url.is_folder()
        && let Some(name) = prefix.filename()
        && let Some(parsed) = FileName::parse(name)
    {
        let meta = store.head(prefix).await.map_err(|e| store_error(location, e))?;
        if meta.size == 0 {
            return Err(error(location, "is empty"));
        }
        let name = parsed.stem.clone();
        let files = TableFiles { url: url.clone(), file_name: parsed, partition_columns: vec![], files: vec![meta] };
        return Ok(vec![(name, files)]);
    }
    if url.scheme() == "file" && !url.is_folder() {
        return Err(error(location, format!("has a suffix of no known format; known are {}", FileName::SUFFIXES)));
    }
    let objects: Vec<ObjectMeta> = store.list(Some(prefix)).try_collect().await.map_err(|e| store_error(location, e))?;
    group(url, objects, location)
}

pub(super) fn store_error(location: &str, e: object_store::Error) -> Error {
    match e {
        object_store::Error::NotFound { .. } => error(location, "does not exist"),
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            error(location, format!("may not be read with these credentials: {e}"))
        }
        e => error(location, format!("cannot be listed: {e}")),
    }
}

/// What Hive and Spark write for NULL in the name of a directory.
const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// A file and the directories and name below the location.
type ListedFile = (Vec<String>, ObjectMeta);

/// Files directly in the directory are a table each, sub-directories are a table each. A directory of `key=value`
/// directories is itself one table.
fn group(url: &ListingTableUrl, mut objects: Vec<ObjectMeta>, location: &str) -> Result<Vec<(String, TableFiles)>> {
    objects.sort_by(|a, b| a.location.cmp(&b.location));
    let mut groups: BTreeMap<Option<String>, Vec<ListedFile>> = BTreeMap::new();
    let mut tables = Vec::new();
    for object in objects {
        let Some(parts) = url.strip_prefix(&object.location) else { continue };
        let parts: Vec<String> = parts.map(str::to_owned).collect();
        if parts.iter().any(|part| part == "_delta_log") {
            return Err(error(location, "is a Delta table, which cannot be served yet; its files alone would show deleted rows"));
        }
        // Writers leave `_SUCCESS`, `.crc` and `_temporary` behind.
        if parts.iter().any(|part| part.starts_with(['_', '.'])) {
            continue;
        }
        let Some((_, directories)) = parts.split_last() else { continue };
        let group = match directories.first() {
            Some(directory) if directory.contains('=') => None,
            Some(directory) => Some(directory.clone()),
            None => {
                tables.extend(single_file(url, object)?);
                continue;
            }
        };
        groups.entry(group).or_default().push((parts, object));
    }
    for (directory, files) in groups {
        tables.extend(directory_table(url, directory, files)?);
    }
    Ok(tables)
}

fn single_file(root: &ListingTableUrl, object: ObjectMeta) -> Result<Option<(String, TableFiles)>> {
    let Some(file_name) = object.location.filename().and_then(FileName::parse) else {
        warn!(file = %object.location, "not served: its suffix is of no known format");
        return Ok(None);
    };
    let url = below(root, object.location.as_ref(), false)?;
    let name = file_name.stem.clone();
    Ok(Some((name, TableFiles { url, file_name, partition_columns: vec![], files: vec![object] })))
}

/// The URL of an object path in the store of `root`.
pub(super) fn below(root: &ListingTableUrl, path: &str, is_directory: bool) -> Result<ListingTableUrl> {
    let mut url: Url = root.get_url().clone();
    match url.path_segments_mut() {
        // Segments are encoded here, so that a `%` or `#` in a name is itself.
        Ok(mut segments) => segments.clear().extend(path.split('/').chain(is_directory.then_some(""))),
        Err(()) => return Err(error(path, "is below a URL that cannot have paths")),
    };
    ListingTableUrl::try_new(url, None).map_err(|e| error(path, e.strip_backtrace()))
}

/// One table of all `files`, which are below `directory`, or below the root if that is `None`.
fn directory_table(
    root: &ListingTableUrl,
    directory: Option<String>,
    files: Vec<ListedFile>,
) -> Result<Option<(String, TableFiles)>> {
    let url = match &directory {
        Some(directory) => {
            // As it is in the paths of the files, which are encoded already.
            let parts = root.prefix().parts().map(|part| part.as_ref().to_owned());
            let path: Vec<String> = parts.chain([directory.clone()]).collect();
            below(root, &path.join("/"), true)?
        }
        None => root.clone(),
    };
    let levels_skipped = usize::from(directory.is_some());
    let name = directory.unwrap_or_else(|| root.prefix().filename().unwrap_or("files").to_owned());
    let mut file_name: Option<FileName> = None;
    let mut keys: Option<Vec<String>> = None;
    let mut values: Vec<Vec<String>> = Vec::new();
    let mut metas = Vec::new();
    for (parts, object) in files {
        let Some(parsed) = parts.last().and_then(|name| FileName::parse(name)) else {
            warn!(file = %object.location, "not served: its suffix is of no known format");
            continue;
        };
        let seen_name = file_name.get_or_insert_with(|| parsed.clone());
        if seen_name.suffix != parsed.suffix {
            let message =
                format!("holds files *{} and *{}; the files of one table need one suffix", seen_name.suffix, parsed.suffix);
            return Err(error(url.as_str(), message));
        }
        let (file_keys, file_values): (Vec<String>, Vec<String>) = parts[levels_skipped..parts.len() - 1]
            .iter()
            .filter_map(|part| part.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .unzip();
        if file_values.iter().any(|value| value == HIVE_NULL) {
            let message = format!("has a directory of NULLs ({HIVE_NULL}), which cannot be served yet");
            return Err(error(url.as_str(), message));
        }
        let seen_keys = keys.get_or_insert_with(|| file_keys.clone());
        if *seen_keys != file_keys {
            let message = format!(
                "its files differ in key=value directories: {} has [{}], others [{}]",
                object.location,
                file_keys.join(", "),
                seen_keys.join(", "),
            );
            return Err(error(url.as_str(), message));
        }
        values.push(file_values);
        metas.push(object);
    }
    let (Some(file_name), Some(keys)) = (file_name, keys) else { return Ok(None) };
    let partition_columns = keys
        .into_iter()
        .enumerate()
        .map(|(index, key)| (key, value_type(values.iter().map(|file| file[index].as_str()))))
        .collect();
    Ok(Some((name, TableFiles { url, file_name, partition_columns, files: metas })))
}

/// Integers if all values are, else dates if all are, else text.
fn value_type<'a>(values: impl Iterator<Item = &'a str> + Clone) -> DataType {
    let is_integer = |value: &str| value.parse::<i64>().is_ok_and(|number| number.to_string() == value);
    if values.clone().all(is_integer) {
        DataType::Int64
    } else if values.clone().all(|value| chrono::NaiveDate::parse_from_str(value, "%Y-%m-%d").is_ok()) {
        DataType::Date32
    } else {
        DataType::Utf8
    }
}
