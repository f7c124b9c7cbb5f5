//! One value of a row, for functions that are called a few thousand times at most and written for clarity.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, FixedSizeListArray, Float32Builder, Float64Builder, GenericListArray, Int16Builder,
    Int32Builder, Int64Builder, ListArray, OffsetSizeTrait, StringBuilder, StructArray, TimestampMicrosecondArray, UInt32Builder,
    new_empty_array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{Result, exec_err, internal_err};

/// A value of one of the types that catalog functions take and return.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    /// Fields in order, without their names.
    Struct(Vec<Value>),
    /// Microseconds since 1970-01-01, for timestamps with and without a zone.
    Timestamp(i64),
}

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(bool) => Some(*bool),
            _ => None,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

/// The values of an array. Types without a variant of their own become text, as Arrow prints them.
pub fn values_of(array: &ArrayRef) -> Result<Vec<Value>> {
    let values = match array.data_type() {
        DataType::Null => return Ok(vec![Value::Null; array.len()]),
        DataType::Boolean => collect(array.as_boolean().iter(), Value::Bool),
        DataType::Int64 => collect(array.as_primitive::<Int64Type>().iter(), Value::Int),
        DataType::Float64 => collect(array.as_primitive::<Float64Type>().iter(), Value::Float),
        DataType::Utf8 => collect(array.as_string::<i32>().iter(), Value::from),
        DataType::Utf8View => collect(array.as_string_view().iter(), Value::from),
        DataType::LargeUtf8 => collect(array.as_string::<i64>().iter(), Value::from),
        DataType::Float16 | DataType::Float32 => return values_of(&cast(array, &DataType::Float64)?),
        DataType::UInt64 => match cast(array, &DataType::Int64) {
            Ok(array) => return values_of(&array),
            Err(_) => printed(array)?,
        },
        data_type if data_type.is_integer() => return values_of(&cast(array, &DataType::Int64)?),
        DataType::Dictionary(_, value_type) => return values_of(&cast(array, value_type)?),
        DataType::List(_) => list_values(array.as_list::<i32>())?,
        DataType::LargeList(_) => list_values(array.as_list::<i64>())?,
        DataType::FixedSizeList(_, _) => fixed_list_values(array.as_fixed_size_list())?,
        DataType::Struct(_) => struct_values(array.as_struct())?,
        DataType::Timestamp(_, zone) => {
            let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
            let micros = cast(&micros, &DataType::Int64)?;
            collect(micros.as_primitive::<Int64Type>().iter(), Value::Timestamp)
        }
        _ => printed(array)?,
    };
    Ok(values)
}

fn collect<T>(values: impl Iterator<Item = Option<T>>, make: impl Fn(T) -> Value) -> Vec<Value> {
    values.map(|value| value.map_or(Value::Null, &make)).collect()
}

fn printed(array: &ArrayRef) -> Result<Vec<Value>> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options)?;
    (0..array.len())
        .map(|row| if array.is_null(row) { Ok(Value::Null) } else { Ok(Value::Text(formatter.value(row).try_to_string()?)) })
        .collect()
}

fn list_values<O: OffsetSizeTrait>(array: &GenericListArray<O>) -> Result<Vec<Value>> {
    array.iter().map(|list| list.map_or(Ok(Value::Null), |list| Ok(Value::List(values_of(&list)?)))).collect()
}

fn fixed_list_values(array: &FixedSizeListArray) -> Result<Vec<Value>> {
    array.iter().map(|list| list.map_or(Ok(Value::Null), |list| Ok(Value::List(values_of(&list)?)))).collect()
}

fn struct_values(array: &StructArray) -> Result<Vec<Value>> {
    let columns = array.columns().iter().map(values_of).collect::<Result<Vec<_>>>()?;
    Ok((0..array.len())
        .map(|row| {
            if array.is_null(row) {
                return Value::Null;
            }
            Value::Struct(columns.iter().map(|column| column[row].clone()).collect())
        })
        .collect())
}

/// An array of `data_type` from values of that type.
pub fn array_of(values: &[Value], data_type: &DataType) -> Result<ArrayRef> {
    macro_rules! integers {
        ($builder:ty) => {{
            let mut builder = <$builder>::with_capacity(values.len());
            for value in values {
                match value {
                    Value::Null => builder.append_null(),
                    Value::Int(int) => match (*int).try_into() {
                        Ok(int) => builder.append_value(int),
                        Err(_) => return exec_err!("value {int} is out of range for type {data_type}"),
                    },
                    other => return mismatch(other, data_type),
                }
            }
            Ok(Arc::new(builder.finish()))
        }};
    }
    match data_type {
        DataType::Null => Ok(Arc::new(datafusion::arrow::array::NullArray::new(values.len()))),
        DataType::Boolean => {
            let mut builder = BooleanBuilder::with_capacity(values.len());
            for value in values {
                match value {
                    Value::Null => builder.append_null(),
                    Value::Bool(bool) => builder.append_value(*bool),
                    other => return mismatch(other, data_type),
                }
            }
            Ok(Arc::new(builder.finish()))
        }
        DataType::Int16 => integers!(Int16Builder),
        DataType::Int32 => integers!(Int32Builder),
        DataType::Int64 => integers!(Int64Builder),
        DataType::UInt32 => integers!(UInt32Builder),
        DataType::Float32 => {
            let mut builder = Float32Builder::with_capacity(values.len());
            for value in values {
                match value {
                    Value::Null => builder.append_null(),
                    // Numbers of catalogs are small; a float4 column holds what fits.
                    Value::Float(float) => builder.append_value(*float as f32),
                    Value::Int(int) => builder.append_value(*int as f32),
                    other => return mismatch(other, data_type),
                }
            }
            Ok(Arc::new(builder.finish()))
        }
        DataType::Float64 => {
            let mut builder = Float64Builder::with_capacity(values.len());
            for value in values {
                match value {
                    Value::Null => builder.append_null(),
                    Value::Float(float) => builder.append_value(*float),
                    Value::Int(int) => builder.append_value(*int as f64),
                    other => return mismatch(other, data_type),
                }
            }
            Ok(Arc::new(builder.finish()))
        }
        DataType::Utf8 => {
            let mut builder = StringBuilder::with_capacity(values.len(), values.len() * 8);
            for value in values {
                match value {
                    Value::Null => builder.append_null(),
                    Value::Text(text) => builder.append_value(text),
                    other => return mismatch(other, data_type),
                }
            }
            Ok(Arc::new(builder.finish()))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let mut micros = Vec::with_capacity(values.len());
            for value in values {
                micros.push(match value {
                    Value::Null => None,
                    Value::Timestamp(micros) => Some(*micros),
                    other => return mismatch(other, data_type),
                });
            }
            Ok(Arc::new(TimestampMicrosecondArray::from(micros).with_timezone_opt(zone.clone())))
        }
        DataType::List(item) => {
            let mut items = Vec::new();
            let mut lengths = Vec::with_capacity(values.len());
            let mut valid = Vec::with_capacity(values.len());
            for value in values {
                match value {
                    Value::Null => lengths.push(0),
                    Value::List(list) => {
                        lengths.push(list.len());
                        items.extend_from_slice(list);
                    }
                    other => return mismatch(other, data_type),
                }
                valid.push(!value.is_null());
            }
            let items = array_of(&items, item.data_type())?;
            let nulls = NullBuffer::from(valid);
            Ok(Arc::new(ListArray::try_new(Arc::clone(item), OffsetBuffer::from_lengths(lengths), items, Some(nulls))?))
        }
        DataType::Struct(fields) => {
            let mut columns = Vec::with_capacity(fields.len());
            for (index, field) in fields.iter().enumerate() {
                let mut column = Vec::with_capacity(values.len());
                for value in values {
                    column.push(match value {
                        Value::Null => Value::Null,
                        Value::Struct(row) => row.get(index).cloned().unwrap_or(Value::Null),
                        other => return mismatch(other, data_type),
                    });
                }
                columns.push(array_of(&column, field.data_type())?);
            }
            let nulls = NullBuffer::from(values.iter().map(|value| !value.is_null()).collect::<Vec<_>>());
            Ok(Arc::new(StructArray::try_new(fields.clone(), columns, Some(nulls))?))
        }
        _ if values.iter().all(Value::is_null) => Ok(datafusion::arrow::array::new_null_array(data_type, values.len())),
        _ if values.is_empty() => Ok(new_empty_array(data_type)),
        // Date, numeric, interval and the like of rows from data files: their text.
        _ => {
            let text = array_of(values, &DataType::Utf8)?;
            Ok(cast(&text, data_type)?)
        }
    }
}

fn mismatch<T>(value: &Value, data_type: &DataType) -> Result<T> {
    internal_err!("value {value:?} is not of type {data_type}")
}
