//! `pg_get_expr(tree, relation [, pretty])`: an expression of the catalog as text. The catalog keeps the text itself.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::row_function::{Parameter, RowFunction};

pub fn pg_get_expr() -> ScalarUDF {
    RowFunction::new("pg_get_expr", &[Parameter::Text, Parameter::Oid, Parameter::Bool], DataType::Utf8, |call| {
        Ok(call.arg(0).clone())
    })
    .required(2)
    .build()
}
