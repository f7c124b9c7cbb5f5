//! PostgreSQL's types that Arrow has no type for: they travel as field metadata.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};

/// Field metadata: the PostgreSQL type of a column where its Arrow type does not say it, such as `oid`, `name`, `"char"`;
/// `_oid` is the array of `oid`.
pub const PG_TYPE: &str = "ARBALEST:pg_type";

/// Field metadata: the type modifier (`atttypmod`) as a decimal number.
pub const PG_TYPMOD: &str = "ARBALEST:pg_typmod";

/// The PostgreSQL type written in the metadata of a field.
pub fn declared_type(field: &Field) -> Option<&str> {
    field.metadata().get(PG_TYPE).map(String::as_str)
}

/// A nullable field of an Arrow type, with the PostgreSQL type where Arrow's does not say it.
pub fn field(name: &str, data_type: DataType, pg_type: Option<&str>) -> FieldRef {
    let field = Field::new(name, data_type, true);
    Arc::new(match pg_type {
        Some(pg_type) => field.with_metadata(HashMap::from([(PG_TYPE.to_owned(), pg_type.to_owned())])),
        None => field,
    })
}
