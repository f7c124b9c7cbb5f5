//! The order of a JSON table's columns: that of the keys of the first row. DataFusion sorts them by name.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::error::Result;
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::TableFiles;

/// A first row longer than this leaves the columns sorted.
const ROW_BYTES_MAX: usize = 1 << 20;

/// `schema` with the columns of the first row first, in its order.
pub(super) async fn in_file_order(schema: SchemaRef, table: &TableFiles, store: &Arc<dyn ObjectStore>) -> Result<SchemaRef> {
    let Some(row) = first_row(table, store).await? else { return Ok(schema) };
    // What is not an object was an error when the schema was read.
    let Ok(Keys(keys)) = serde_json::from_slice(&row) else { return Ok(schema) };
    let place = |field: &FieldRef| keys.iter().position(|key| key == field.name()).unwrap_or(keys.len());
    let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
    fields.sort_by_key(place);
    Ok(Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())))
}

async fn first_row(table: &TableFiles, store: &Arc<dyn ObjectStore>) -> Result<Option<Vec<u8>>> {
    let Some(file) = table.files.first() else { return Ok(None) };
    let bytes = store.get(&file.location).await?.into_stream().map_err(DataFusionError::from).boxed();
    let mut text = table.file_name.compression.convert_stream(bytes)?;
    let mut row = Vec::new();
    while let Some(chunk) = text.try_next().await? {
        row.extend_from_slice(&chunk);
        let start = row.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(row.len());
        if let Some(length) = row[start..].iter().position(|byte| *byte == b'\n') {
            return Ok(Some(row[start..start + length].to_vec()));
        }
        if row.len() > ROW_BYTES_MAX {
            return Ok(None);
        }
    }
    Ok(Some(row))
}

/// The keys of an object, in its order.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> std::result::Result<Keys, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = object.next_entry()? {
            keys.push(key);
        }
        Ok(Keys(keys))
    }
}
