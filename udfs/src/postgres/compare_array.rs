//! `x = ANY (array)` and `x <> ALL (array)` with every comparison operator, SQL's NULLs, and an array given as text.

use std::cmp::Ordering;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;

use super::row_function::{Call, Parameter, RowFunction};
use super::text_output::parse_array;
use super::value::Value;

/// `compare_any(left, operator, array)`; the planner writes `left operator ANY (array)` so.
pub const COMPARE_ANY: &str = "arbalest_compare_any";

/// `compare_all(left, operator, array)`
pub const COMPARE_ALL: &str = "arbalest_compare_all";

pub fn compare_any() -> ScalarUDF {
    comparison(COMPARE_ANY, true)
}

pub fn compare_all() -> ScalarUDF {
    comparison(COMPARE_ALL, false)
}

/// `decisive`: the outcome of one comparison that settles the whole.
fn comparison(name: &str, decisive: bool) -> ScalarUDF {
    RowFunction::new(name, &[Parameter::Any, Parameter::Text, Parameter::Any], DataType::Boolean, move |call| {
        compare(call, decisive)
    })
    .called_on_null()
    .build()
}

fn compare(call: &Call<'_>, decisive: bool) -> Result<Value> {
    let left = call.arg(0);
    let parsed;
    let items = match call.arg(2) {
        Value::Null => return Ok(Value::Null),
        Value::List(items) => items,
        Value::Text(text) => match parse_array(text) {
            Some(items) => {
                parsed = items;
                &parsed
            }
            None => return exec_err!("malformed array literal: \"{text}\""),
        },
        _ => return exec_err!("op ANY/ALL (array) requires array on right side"),
    };
    let mut unknown = false;
    for item in items {
        match holds(left, call.text(1), item)? {
            Some(outcome) if outcome == decisive => return Ok(Value::Bool(decisive)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { Value::Null } else { Value::Bool(!decisive) })
}

fn holds(left: &Value, operator: &str, right: &Value) -> Result<Option<bool>> {
    if left.is_null() || right.is_null() {
        return Ok(None);
    }
    let Some(ordering) = order(left, right) else {
        return exec_err!("invalid input syntax: {left:?} cannot be compared with {right:?}");
    };
    Ok(Some(match operator {
        "=" => ordering.is_eq(),
        "<>" => ordering.is_ne(),
        "<" => ordering.is_lt(),
        "<=" => ordering.is_le(),
        ">" => ordering.is_gt(),
        ">=" => ordering.is_ge(),
        _ => return exec_err!("operator {operator} ANY is not supported"),
    }))
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Int(left), Value::Float(right)) => (*left as f64).partial_cmp(right),
        (Value::Float(left), Value::Int(right)) => left.partial_cmp(&(*right as f64)),
        (Value::Float(left), Value::Float(right)) => left.partial_cmp(right),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Timestamp(left), Value::Timestamp(right)) => Some(left.cmp(right)),
        // A literal or parameter without a type takes that of the other side.
        (Value::Int(left), Value::Text(right)) => Some(left.cmp(&right.trim().parse().ok()?)),
        (Value::Text(left), Value::Int(right)) => Some(left.trim().parse::<i64>().ok()?.cmp(right)),
        (Value::Float(left), Value::Text(right)) => left.partial_cmp(&right.trim().parse().ok()?),
        (Value::Text(left), Value::Float(right)) => left.trim().parse::<f64>().ok()?.partial_cmp(right),
        (Value::Bool(left), Value::Text(right)) => Some(left.cmp(&matches!(right.as_str(), "t" | "true"))),
        _ => None,
    }
}
