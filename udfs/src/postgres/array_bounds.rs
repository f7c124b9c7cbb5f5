//! `array_lower(array, dimension)` and `array_upper(array, dimension)`.

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::logical_expr::ScalarUDF;

use super::pg_type::declared_type;
use super::row_function::{Call, Parameter, RowFunction};
use super::value::Value;

pub fn array_lower() -> ScalarUDF {
    bound("array_lower", |lower, _| lower)
}

pub fn array_upper() -> ScalarUDF {
    bound("array_upper", |lower, length| lower + length - 1)
}

fn bound(name: &str, of: fn(i64, i64) -> i64) -> ScalarUDF {
    RowFunction::new(name, &[Parameter::Any, Parameter::Int4], DataType::Int32, move |call| {
        Ok(dimension_length(call.arg(0), call.int(1)).map(|length| of(lower_bound(&call.fields[0]), length)).into())
    })
    .build()
}

/// The number of elements in a dimension (from 1); `None` if the array is empty or has no such dimension.
pub fn dimension_length(array: &Value, dimension: i64) -> Option<i64> {
    let Value::List(items) = array else { return None };
    match dimension {
        1 if !items.is_empty() => i64::try_from(items.len()).ok(),
        2.. => dimension_length(items.first()?, dimension - 1),
        _ => None,
    }
}

/// Catalog vectors count from 0, arrays from 1.
pub fn lower_bound(field: &FieldRef) -> i64 {
    if matches!(declared_type(field), Some("int2vector" | "oidvector")) { 0 } else { 1 }
}

/// The elements of a call's array argument by subscript.
pub fn subscripts(call: &Call<'_>, dimension: i64) -> Option<std::ops::Range<i64>> {
    let lower = lower_bound(&call.fields[0]);
    let length = dimension_length(call.arg(0), dimension)?;
    Some(lower..lower + length)
}
