//! Lists what is below a URL and groups the files into tables.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::session_state::SessionState;
use engine::table_format::{FileName, FileOptions, TableFiles};
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStoreExt};
use tracing::warn;
use url::Url;

use super::error;
use super::files::local_path_of;
use super::rules::LocationRules;
use crate::error::{Error, Result};
use crate::sql_state::SqlState;

/// A table below a URL, unopened.
pub(super) enum Listed {
    Files(String, TableFiles),
    /// The directory of a Delta table.
    Delta(String, Url),
}

/// The tables below a URL.
pub(super) async fn list(
    state: &SessionState,
    rules: &LocationRules,
    url: &ListingTableUrl,
    location: &str,
) -> Result<Vec<Listed>> {
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
        return Ok(vec![Listed::Files(name, one_file(url.clone(), parsed, meta))]);
    }
    if url.scheme() == "file" && !url.is_folder() {
        return Err(error(location, format!("has a suffix of no known format; known are {}", FileName::SUFFIXES)));
    }
    let mut objects: Vec<ObjectMeta> = store.list(Some(prefix)).try_collect().await.map_err(|e| store_error(location, e))?;
    if url.scheme() == "file" {
        objects.retain(|object| !local_path_of(&object.location).is_some_and(|path| rules.is_own(&path)));
    }
    group(url, objects)
}

pub(super) fn store_error(location: &str, e: object_store::Error) -> Error {
    match e {
        object_store::Error::NotFound { .. } => error(location, "does not exist"),
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            let message = format!("{location}: may not be read with these credentials: {e}");
            Error::classified(SqlState::INSUFFICIENT_PRIVILEGE, message)
        }
        e => error(location, format!("cannot be listed: {e}")),
    }
}

/// What Hive and Spark write for NULL in the name of a directory.
const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// A file and the directories and name below the location.
pub(super) type ListedFile = (Vec<String>, ObjectMeta);

/// The directory of the log of a Delta table.
pub(super) const DELTA_LOG: &str = "_delta_log";

/// Files directly in the directory are a table each, sub-directories are a table each. A directory of `key=value`
/// directories is itself one table, and so is one with the log of a Delta table, wherever it is.
fn group(url: &ListingTableUrl, mut objects: Vec<ObjectMeta>) -> Result<Vec<Listed>> {
    objects.sort_by(|a, b| a.location.cmp(&b.location));
    let mut groups: BTreeMap<Option<String>, Vec<ListedFile>> = BTreeMap::new();
    let mut tables = Vec::new();
    let parts_of = |object: &ObjectMeta| Some(url.strip_prefix(&object.location)?.map(str::to_owned).collect::<Vec<String>>());
    let before_log = |parts: &Vec<String>| Some(parts[..parts.iter().position(|part| part == DELTA_LOG)?].to_vec());
    let deltas: BTreeSet<Vec<String>> = objects.iter().filter_map(parts_of).filter_map(|parts| before_log(&parts)).collect();
    for directory in &deltas {
        let path: Vec<&str> = url.prefix().as_ref().split('/').chain(directory.iter().map(String::as_str)).filter(|part| !part.is_empty()).collect();
        let table = below(url, &path.join("/"), true)?;
        let name = path.last().map_or("files", |name| *name).to_owned();
        tables.push(Listed::Delta(name, table.get_url().clone()));
    }
    for object in objects {
        let Some(parts) = parts_of(&object) else { continue };
        if deltas.iter().any(|directory| parts.starts_with(directory)) {
            continue;
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
                tables.extend(single_file(url, object)?.map(|(name, files)| Listed::Files(name, files)));
                continue;
            }
        };
        groups.entry(group).or_default().push((parts, object));
    }
    for (directory, files) in groups {
        tables.extend(directory_table(url, directory, files)?.map(|(name, files)| Listed::Files(name, files)));
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
    Ok(Some((name, one_file(url, file_name, object))))
}

fn one_file(url: ListingTableUrl, file_name: FileName, object: ObjectMeta) -> TableFiles {
    TableFiles { urls: vec![url], file_name, partition_columns: vec![], files: vec![object], is_fixed: false, options: FileOptions::default() }
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
    let known = |name: &str| FileName::parse(name);
    Ok(table_files(vec![url], files, levels_skipped, known)?.map(|files| (name, files)))
}

/// One table of all `files`, which are below `urls`. `named` takes the name of a file apart if it is one of the
/// table.
pub(super) fn table_files(
    urls: Vec<ListingTableUrl>,
    files: Vec<ListedFile>,
    levels_skipped: usize,
    named: impl Fn(&str) -> Option<FileName>,
) -> Result<Option<TableFiles>> {
    let location = urls.first().map_or_else(String::new, ToString::to_string);
    let mut file_name: Option<FileName> = None;
    let mut keys: Option<Vec<String>> = None;
    let mut values: Vec<Vec<String>> = Vec::new();
    let mut metas = Vec::new();
    for (parts, object) in files {
        let Some(parsed) = parts.last().and_then(|name| named(name)) else {
            warn!(file = %object.location, "not served: its suffix is of no known format");
            continue;
        };
        let seen_name = file_name.get_or_insert_with(|| parsed.clone());
        if seen_name.suffix != parsed.suffix {
            let message =
                format!("holds files *{} and *{}; the files of one table need one suffix", seen_name.suffix, parsed.suffix);
            return Err(error(&location, message));
        }
        let (file_keys, file_values): (Vec<String>, Vec<String>) = parts[levels_skipped..parts.len() - 1]
            .iter()
            .filter_map(|part| part.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .unzip();
        if file_values.iter().any(|value| value == HIVE_NULL) {
            let message = format!("has a directory of NULLs ({HIVE_NULL}), which cannot be served yet");
            return Err(error(&location, message));
        }
        let seen_keys = keys.get_or_insert_with(|| file_keys.clone());
        if *seen_keys != file_keys {
            let message = format!(
                "its files differ in key=value directories: {} has [{}], others [{}]",
                object.location,
                file_keys.join(", "),
                seen_keys.join(", "),
            );
            return Err(error(&location, message));
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
    Ok(Some(TableFiles { urls, file_name, partition_columns, files: metas, is_fixed: false, options: FileOptions::default() }))
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
