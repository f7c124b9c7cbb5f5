//! The order of a JSON table's columns: that of the keys of the first row. DataFusion sorts them by name.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::error::Result;
use object_store::ObjectStore;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::TableFiles;
use super::first_line::first_line;

/// `schema` with the columns of the first row first, in its order; a very long row leaves them sorted.
pub(super) async fn in_file_order(schema: SchemaRef, table: &TableFiles, store: &Arc<dyn ObjectStore>) -> Result<SchemaRef> {
    let Some(file) = table.files.first() else { return Ok(schema) };
    let Some(row) = first_line(file, &table.file_name, store).await? else { return Ok(schema) };
    // What is not an object was an error when the schema was read.
    let Ok(Keys(keys)) = serde_json::from_slice(&row) else { return Ok(schema) };
    let place = |field: &FieldRef| keys.iter().position(|key| key == field.name()).unwrap_or(keys.len());
    let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
    fields.sort_by_key(place);
    Ok(Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())))
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
