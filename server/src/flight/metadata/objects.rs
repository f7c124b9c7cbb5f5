//! Catalogs, schemas, tables and their columns, filtered as the client asks and sorted by name.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, BinaryBuilder, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Fields, Schema as ArrowSchema, SchemaRef};
use arrow::error::ArrowError;
use arrow_flight::sql::{CommandGetDbSchemas, CommandGetTables};
use sql::Session;
use sql::catalog::{CatalogSnapshot, Schema, Table, TableKind};

use super::like::like;
use super::sql_type::SqlType;
use crate::flight::flight_info::schema_bytes;
use crate::flight::result_schema::client_type;

const TABLE: &str = "TABLE";
const VIEW: &str = "VIEW";

static CATALOGS: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(ArrowSchema::new(vec![Field::new("catalog_name", DataType::Utf8, false)])));

static DB_SCHEMAS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(ArrowSchema::new(vec![
        Field::new("catalog_name", DataType::Utf8, true),
        Field::new("db_schema_name", DataType::Utf8, false),
    ]))
});

static TABLE_TYPES: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(ArrowSchema::new(vec![Field::new("table_type", DataType::Utf8, false)])));

static TABLES: LazyLock<SchemaRef> = LazyLock::new(|| Arc::new(ArrowSchema::new(table_fields())));

static TABLES_WITH_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = table_fields();
    fields.push(Field::new("table_schema", DataType::Binary, false));
    Arc::new(ArrowSchema::new(fields))
});

fn table_fields() -> Vec<Field> {
    vec![
        Field::new("catalog_name", DataType::Utf8, true),
        Field::new("db_schema_name", DataType::Utf8, true),
        Field::new("table_name", DataType::Utf8, false),
        Field::new("table_type", DataType::Utf8, false),
    ]
}

pub(super) fn catalogs_schema() -> SchemaRef {
    Arc::clone(&CATALOGS)
}

pub(super) fn db_schemas_schema() -> SchemaRef {
    Arc::clone(&DB_SCHEMAS)
}

pub(super) fn table_types_schema() -> SchemaRef {
    Arc::clone(&TABLE_TYPES)
}

pub(super) fn tables_schema(include_schema: bool) -> SchemaRef {
    Arc::clone(if include_schema { &TABLES_WITH_SCHEMA } else { &TABLES })
}

pub(super) fn catalogs(catalog: &CatalogSnapshot) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_new(catalogs_schema(), vec![Arc::new(StringArray::from(vec![catalog.database.as_str()]))])
}

pub(super) fn table_types() -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_new(table_types_schema(), vec![Arc::new(StringArray::from(vec![TABLE, VIEW]))])
}

pub(super) fn db_schemas(session: &Session, command: &CommandGetDbSchemas) -> Result<RecordBatch, ArrowError> {
    let catalog = &*session.catalog();
    let sees = session.sees(catalog);
    let mut schemas = matching_schemas(catalog, command.catalog.as_deref(), command.db_schema_filter_pattern.as_deref());
    schemas.retain(|schema| sees(schema, None));
    let catalogs = StringArray::from_iter_values(schemas.iter().map(|_| &catalog.database));
    let names = StringArray::from_iter_values(schemas.iter().map(|schema| &schema.name));
    RecordBatch::try_new(db_schemas_schema(), vec![Arc::new(catalogs), Arc::new(names)])
}

pub(super) fn tables(session: &Session, command: &CommandGetTables) -> Result<RecordBatch, ArrowError> {
    let catalog = &*session.catalog();
    let sees = session.sees(catalog);
    let mut catalogs = StringBuilder::new();
    let mut schemas = StringBuilder::new();
    let mut names = StringBuilder::new();
    let mut kinds = StringBuilder::new();
    let mut table_schemas = command.include_schema.then(BinaryBuilder::new);
    for schema in matching_schemas(catalog, command.catalog.as_deref(), command.db_schema_filter_pattern.as_deref()) {
        // A BTreeMap: in the order of names.
        for table in schema.tables.values() {
            let kind = table_type(table.kind);
            let is_wanted = matches_pattern(&table.name, command.table_name_filter_pattern.as_deref())
                && (command.table_types.is_empty() || command.table_types.iter().any(|wanted| wanted == kind));
            if !is_wanted || !sees(schema, Some(table)) {
                continue;
            }
            catalogs.append_value(&catalog.database);
            schemas.append_value(&schema.name);
            names.append_value(&table.name);
            kinds.append_value(kind);
            if let Some(table_schemas) = &mut table_schemas {
                let bytes = schema_bytes(&described(catalog, schema, table))
                    .map_err(|status| ArrowError::SchemaError(status.message().to_owned()))?;
                table_schemas.append_value(bytes);
            }
        }
    }
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(catalogs.finish()), Arc::new(schemas.finish()), Arc::new(names.finish()), Arc::new(kinds.finish())];
    if let Some(mut table_schemas) = table_schemas {
        columns.push(Arc::new(table_schemas.finish()));
    }
    RecordBatch::try_new(tables_schema(command.include_schema), columns)
}

fn table_type(kind: TableKind) -> &'static str {
    match kind {
        TableKind::Table | TableKind::External => TABLE,
        TableKind::View | TableKind::MaterializedView => VIEW,
    }
}

/// The schemas that a command asks for, in the order of their names. A catalog is named exactly; the empty name is that
/// of things without a catalog, and there are none.
fn matching_schemas<'a>(catalog: &'a CatalogSnapshot, name: Option<&str>, pattern: Option<&str>) -> Vec<&'a Schema> {
    if name.is_some_and(|name| name != catalog.database) {
        return Vec::new();
    }
    let mut schemas: Vec<&Schema> =
        catalog.schemas.iter().map(Arc::as_ref).filter(|schema| matches_pattern(&schema.name, pattern)).collect();
    schemas.sort_by(|a, b| a.name.cmp(&b.name));
    schemas
}

fn matches_pattern(name: &str, pattern: Option<&str>) -> bool {
    pattern.is_none_or(|pattern| like(name, pattern))
}

/// The schema of a table as a client sees its columns in results, but with their real nullability, and with all that
/// drivers want to know about them in metadata.
fn described(catalog: &CatalogSnapshot, schema: &Schema, table: &Table) -> ArrowSchema {
    let fields: Fields = table
        .schema
        .fields()
        .iter()
        .map(|field| {
            let sql_type = SqlType::of(field);
            let mut metadata = HashMap::from(
                [
                    ("CATALOG_NAME", catalog.database.clone()),
                    ("SCHEMA_NAME", schema.name.clone()),
                    ("TABLE_NAME", table.name.clone()),
                    ("TYPE_NAME", sql_type.name),
                    ("IS_AUTO_INCREMENT", flag(false)),
                    ("IS_CASE_SENSITIVE", flag(sql_type.is_case_sensitive)),
                    ("IS_READ_ONLY", flag(table.kind != TableKind::Table)),
                    ("IS_SEARCHABLE", flag(true)),
                ]
                .map(|(key, value)| (metadata_key(key), value)),
            );
            if let Some(precision) = sql_type.precision {
                metadata.insert(metadata_key("PRECISION"), precision.to_string());
            }
            if let Some(scale) = sql_type.scale {
                metadata.insert(metadata_key("SCALE"), scale.to_string());
            }
            Field::new(field.name(), client_type(field.data_type()), field.is_nullable()).with_metadata(metadata)
        })
        .collect();
    ArrowSchema::new(fields)
}

fn metadata_key(name: &str) -> String {
    format!("ARROW:FLIGHT:SQL:{name}")
}

/// As Java's driver writes and reads booleans in metadata.
fn flag(value: bool) -> String {
    if value { "1" } else { "0" }.to_owned()
}
