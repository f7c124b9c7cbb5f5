//! One schema for the files of a table, or the names of two that contradict each other.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::csv::reader::Format;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::FileFormat;
use datafusion::execution::session_state::SessionState;
use futures::{FutureExt, StreamExt, TryStreamExt};
use indexmap::IndexMap;
use object_store::{ObjectMeta, ObjectStore};

use super::first_line::first_line;
use super::{FileKind, TableFiles, json_keys};
use crate::error::{Error, Result};

/// Files whose schema is read at the same time.
const CONCURRENT_READS: usize = 16;

/// The union of the files' columns by name, in the order first seen. A column must have one type everywhere; one that a
/// file lacks is nullable.
pub(super) async fn infer(state: &SessionState, format: &dyn FileFormat, table: &TableFiles) -> Result<SchemaRef> {
    let store = state.runtime_env().object_store(table.url().object_store())?;
    // Text has no types of its own, so that all files together decide them.
    let schema = match table.file_name.kind {
        FileKind::Json => infer_text(state, format, table, &store).await?,
        FileKind::Csv { .. } => {
            check(state, table).await?;
            match infer_text(state, format, table, &store).await? {
                schema if table.options.all_text => as_texts(&schema),
                schema => schema,
            }
        }
        _ => merge(&infer_files(state, format, table, &store).await?)?,
    };
    without_partition_columns(schema, table)
}

/// Columns of CSV files that nobody has looked at.
pub(super) fn of_texts(width: usize) -> SchemaRef {
    let field = |number: usize| Field::new(format!("column_{}", number + 1), DataType::Utf8, true);
    Arc::new(Schema::new((0..width).map(field).collect::<Vec<_>>()))
}

/// Fails for CSV files of which the headers differ.
pub(super) async fn check(state: &SessionState, table: &TableFiles) -> Result<()> {
    match table.file_name.kind {
        FileKind::Csv { delimiter } if table.options.header.unwrap_or(true) => {
            let store = state.runtime_env().object_store(table.url().object_store())?;
            check_headers(table, table.options.delimiter.unwrap_or(delimiter), &store).await
        }
        _ => Ok(()),
    }
}

fn as_texts(schema: &Schema) -> SchemaRef {
    let text = |field: &FieldRef| field.as_ref().clone().with_data_type(DataType::Utf8);
    Arc::new(Schema::new(schema.fields().iter().map(text).collect::<Vec<_>>()))
}

/// The schema of each file, with what to call the file.
async fn infer_files(
    state: &SessionState,
    format: &dyn FileFormat,
    table: &TableFiles,
    store: &Arc<dyn ObjectStore>,
) -> Result<Vec<(String, SchemaRef)>> {
    let base = table.url().object_store();
    // Collected first: a stream that borrows from the list would not be `Send` for every lifetime.
    let reads: Vec<_> = (table.files.iter())
        .map(|file| infer_file(state, format, table, store, file, display_location(base.as_str(), file)).boxed())
        .collect();
    futures::stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await
}

/// CSV files are read by position: their headers must be the same, and name every column once.
async fn check_headers(table: &TableFiles, delimiter: u8, store: &Arc<dyn ObjectStore>) -> Result<()> {
    let mut first: Option<(String, Vec<String>)> = None;
    for file in &table.files {
        let location = display_location(table.url().object_store().as_str(), file);
        let fail = |error: DataFusionError| table.file_name.file_error(&location, error.find_root().strip_backtrace());
        let Some(line) = first_line(file, &table.file_name, store).await.map_err(fail)? else { continue };
        let format = Format::default().with_header(true).with_delimiter(delimiter);
        let (header, _) = format.infer_schema(line.as_slice(), Some(0)).map_err(|error| table.file_name.file_error(&location, error))?;
        let names: Vec<String> = header.fields().iter().map(|field| field.name().clone()).collect();
        // A file without a header has no rows either.
        if names.is_empty() {
            continue;
        }
        let Some((first_location, first)) = &first else {
            let mut seen = HashSet::new();
            if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
                let message = format!("its header names the column \"{twice}\" more than once");
                return Err(Error::Location { location, message });
            }
            first = Some((location, names));
            continue;
        };
        if *first != names {
            let message = format!(
                "its columns are {}, but those of {first_location} are {}; the CSV files of one table need the same columns in the same order",
                names.join(", "),
                first.join(", "),
            );
            return Err(Error::Location { location, message });
        }
    }
    Ok(())
}

/// A column that directories and files both have is the directories', where files are read by name.
fn without_partition_columns(schema: SchemaRef, table: &TableFiles) -> Result<SchemaRef> {
    let is_partition = |field: &FieldRef| table.partition_columns.iter().any(|(name, _)| name == field.name());
    let Some(both) = schema.fields().iter().find(|field| is_partition(field)) else { return Ok(schema) };
    if !matches!(table.file_name.kind, FileKind::Parquet | FileKind::Json) {
        let message = format!("column \"{}\" is in the files and in the names of their directories; rename one", both.name());
        return Err(Error::Location { location: table.url().to_string(), message });
    }
    let fields: Vec<FieldRef> = schema.fields().iter().filter(|field| !is_partition(field)).cloned().collect();
    Ok(Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())))
}

async fn infer_file(
    state: &SessionState,
    format: &dyn FileFormat,
    table: &TableFiles,
    store: &Arc<dyn ObjectStore>,
    file: &ObjectMeta,
    location: String,
) -> Result<(String, SchemaRef)> {
    match format.infer_schema(state, store, std::slice::from_ref(file)).await {
        Ok(schema) => Ok((location, schema)),
        Err(error) => Err(table.file_name.file_error(&location, error.find_root().strip_backtrace())),
    }
}

async fn infer_text(
    state: &SessionState,
    format: &dyn FileFormat,
    table: &TableFiles,
    store: &Arc<dyn ObjectStore>,
) -> Result<SchemaRef> {
    let schema = format.infer_schema(state, store, &table.files).await.map_err(|error| {
        let location = match table.files.as_slice() {
            [file] => display_location(table.url().object_store().as_str(), file),
            _ => table.url().to_string(),
        };
        table.file_name.file_error(&location, error.find_root().strip_backtrace())
    })?;
    if schema.fields().is_empty() {
        return Err(Error::Location { location: table.url().to_string(), message: "holds no columns".into() });
    }
    match table.file_name.kind {
        FileKind::Json => Ok(json_keys::in_file_order(schema, table, store).await?),
        _ => Ok(schema),
    }
}

fn merge(schemas: &[(String, SchemaRef)]) -> Result<SchemaRef> {
    let mut columns: IndexMap<&str, (FieldRef, &str, usize)> = IndexMap::new();
    for (location, schema) in schemas {
        for field in schema.fields() {
            let Some((seen, first_location, files)) = columns.get_mut(field.name().as_str()) else {
                columns.insert(field.name(), (Arc::clone(field), location, 1));
                continue;
            };
            if seen.data_type() != field.data_type() {
                return Err(Error::Location {
                    location: location.clone(),
                    message: format!(
                        "column \"{}\" is {}, but it is {} in {first_location}; the files of one table need one schema",
                        field.name(),
                        field.data_type(),
                        seen.data_type(),
                    ),
                });
            }
            *files += 1;
            if field.is_nullable() && !seen.is_nullable() {
                *seen = Arc::clone(field);
            }
        }
    }
    let fields: Vec<FieldRef> = columns
        .into_values()
        .map(|(field, _, files)| match files == schemas.len() {
            true => field,
            false => Arc::new(field.as_ref().clone().with_nullable(true)),
        })
        .collect();
    Ok(Arc::new(Schema::new(fields)))
}

/// A path for local files, a URL for others.
fn display_location(base: &str, file: &ObjectMeta) -> String {
    match base.strip_prefix("file://") {
        Some(root) => format!("{root}{}", file.location),
        None => format!("{base}{}", file.location),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: &[(&str, DataType, bool)]) -> SchemaRef {
        Arc::new(Schema::new(fields.iter().map(|(n, t, null)| Field::new(*n, t.clone(), *null)).collect::<Vec<_>>()))
    }

    #[test]
    fn a_column_missing_from_a_file_is_nullable() {
        let merged = merge(&[
            ("a".into(), schema(&[("x", DataType::Int64, false), ("y", DataType::Utf8, false)])),
            ("b".into(), schema(&[("x", DataType::Int64, false)])),
        ])
        .expect("compatible");
        assert_eq!(merged, schema(&[("x", DataType::Int64, false), ("y", DataType::Utf8, true)]));
    }

    #[test]
    fn a_conflict_names_both_files() {
        let error = merge(&[
            ("a.parquet".into(), schema(&[("x", DataType::Int64, false)])),
            ("b.parquet".into(), schema(&[("x", DataType::Utf8, false)])),
        ])
        .expect_err("conflict")
        .to_string();
        assert!(error.contains("a.parquet") && error.contains("b.parquet") && error.contains("\"x\""), "{error}");
    }
}
