//! `generate_subscripts(array, dimension)` and `information_schema._pg_expandarray(array)`, as arrays: the planner unnests
//! them.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::logical_expr::ScalarUDF;

use super::array_bounds::subscripts;
use super::pg_type;
use super::row_function::{Parameter, RowFunction};
use super::value::Value;

pub const GENERATE_SUBSCRIPTS: &str = "arbalest_generate_subscripts";
pub const PG_EXPANDARRAY: &str = "arbalest_pg_expandarray";

pub fn generate_subscripts() -> ScalarUDF {
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true)));
    RowFunction::new(GENERATE_SUBSCRIPTS, &[Parameter::Any, Parameter::Int4, Parameter::Bool], list, |call| {
        let mut subscripts: Vec<i64> = subscripts(call, call.int(1)).map(Iterator::collect).unwrap_or_default();
        if call.arg(2) == &Value::Bool(true) {
            subscripts.reverse();
        }
        Ok(subscripts.into())
    })
    .required(2)
    .build()
}

/// A list of (x, n): the elements with their positions from 1.
pub fn pg_expandarray() -> ScalarUDF {
    RowFunction::new(PG_EXPANDARRAY, &[Parameter::Any], DataType::Null, |call| {
        let Value::List(items) = call.arg(0) else { return Ok(Value::Null) };
        let rows = items.iter().zip(1_i64..).map(|(item, n)| Value::Struct(vec![item.clone(), n.into()])).collect();
        Ok(Value::List(rows))
    })
    .returns(|fields| {
        let item = match fields[0].data_type() {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => item.as_ref().clone(),
            other => Field::new("", other.clone(), true),
        };
        let row = DataType::Struct(Fields::from(vec![item.with_name("x"), Field::new("n", DataType::Int32, true)]));
        Ok(pg_type::field("", DataType::List(Arc::new(Field::new_list_field(row, true))), None))
    })
    .build()
}
