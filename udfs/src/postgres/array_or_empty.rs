//! `ARRAY(SELECT …)` of no rows is an empty array, where `array_agg` gives NULL.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::row_function::{Parameter, RowFunction};
use super::value::Value;

pub const ARRAY_OR_EMPTY: &str = "arbalest_array_or_empty";

/// The array, or an empty one of the same type instead of NULL.
pub fn array_or_empty() -> ScalarUDF {
    RowFunction::new(ARRAY_OR_EMPTY, &[Parameter::Any], DataType::Null, |call| {
        Ok(if call.arg(0).is_null() { Value::List(vec![]) } else { call.arg(0).clone() })
    })
    .called_on_null()
    .returns(|fields| Ok(fields[0].clone()))
    .build()
}
