//! `json_build_object(key, value, …)` and `row_to_json(row)`.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;

use super::row_function::{Call, Parameter, RowFunction};
use super::text_output::text_of;
use super::value::Value;

pub fn json_build_object() -> ScalarUDF {
    RowFunction::new("json_build_object", &[Parameter::Any], DataType::Utf8, build_object)
        .required(0)
        .variadic()
        .called_on_null()
        .returns_pg_type(DataType::Utf8, "json")
        .build()
}

pub fn row_to_json() -> ScalarUDF {
    RowFunction::new("row_to_json", &[Parameter::Any], DataType::Utf8, |call| {
        Ok(json(call.arg(0), call.fields[0].data_type()).into())
    })
    .returns_pg_type(DataType::Utf8, "json")
    .build()
}

fn build_object(call: &Call<'_>) -> Result<Value> {
    if call.args.len() % 2 != 0 {
        return exec_err!("argument list must have even number of elements");
    }
    let mut members = Vec::with_capacity(call.args.len() / 2);
    for index in (0..call.args.len()).step_by(2) {
        let Some(key) = text_of(call.arg(index), call.fields[index].data_type()) else {
            return exec_err!("argument {} cannot be null", index + 1);
        };
        members.push(format!("{} : {}", json_string(&key), json(call.arg(index + 1), call.fields[index + 1].data_type())));
    }
    Ok(format!("{{{}}}", members.join(", ")).into())
}

/// A value of an Arrow type as JSON.
pub fn json(value: &Value, data_type: &DataType) -> String {
    match (value, data_type) {
        (Value::Null, _) => "null".into(),
        (Value::Bool(bool), _) => bool.to_string(),
        (Value::Int(int), _) => int.to_string(),
        (Value::Float(float), _) if float.is_finite() => text_of(value, data_type).unwrap_or_default(),
        (Value::Text(text), DataType::Decimal128(..) | DataType::Decimal256(..) | DataType::UInt64) => text.clone(),
        (Value::List(items), DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)) => {
            let items: Vec<_> = items.iter().map(|value| json(value, item.data_type())).collect();
            format!("[{}]", items.join(","))
        }
        (Value::Struct(values), DataType::Struct(fields)) => {
            let members: Vec<_> = values
                .iter()
                .zip(fields)
                .map(|(value, field)| format!("{}:{}", json_string(field.name()), json(value, field.data_type())))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        _ => json_string(&text_of(value, data_type).unwrap_or_default()),
    }
}

fn json_string(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            c if c < ' ' => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}
