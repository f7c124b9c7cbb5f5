//! `pg_typeof(any)`: the name of the argument's type.

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::logical_expr::ScalarUDF;

use super::pg_type::declared_type;
use super::row_function::{Parameter, RowFunction};
use super::text_output::type_name;

/// The result is the name as text; clients print it or compare it with `'integer'::regtype::text`.
pub fn pg_typeof() -> ScalarUDF {
    RowFunction::new("pg_typeof", &[Parameter::Any], DataType::Utf8, |call| Ok(type_of(&call.fields[0]).into()))
        .called_on_null()
        .build()
}

fn type_of(field: &FieldRef) -> String {
    match declared_type(field) {
        Some("varchar") => "character varying".into(),
        Some("bpchar") => "character".into(),
        Some(array) if array.starts_with('_') => format!("{}[]", &array[1..]),
        Some(name) => name.to_owned(),
        None => type_name(field.data_type()),
    }
}
