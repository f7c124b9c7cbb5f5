//! Writes an Arrow value as PostgreSQL would print it, so that Flight SQL is checked by the same scripts.

use arrow::array::{Array, AsArray, Decimal128Array, Decimal256Array};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType,
    DurationSecondType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalDayTimeType, IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};

use super::text;

/// The text of `array[row]`; `None` is NULL.
pub fn to_text(array: &dyn Array, row: usize) -> Result<Option<String>, String> {
    if array.is_null(row) {
        return Ok(None);
    }
    macro_rules! primitive {
        ($type:ty) => {
            array.as_primitive::<$type>().value(row)
        };
    }
    let value = match array.data_type() {
        DataType::Null => return Ok(None),
        DataType::Boolean => text::boolean(array.as_boolean().value(row)),
        DataType::Int8 => primitive!(Int8Type).to_string(),
        DataType::Int16 => primitive!(Int16Type).to_string(),
        DataType::Int32 => primitive!(Int32Type).to_string(),
        DataType::Int64 => primitive!(Int64Type).to_string(),
        DataType::UInt8 => primitive!(UInt8Type).to_string(),
        DataType::UInt16 => primitive!(UInt16Type).to_string(),
        DataType::UInt32 => primitive!(UInt32Type).to_string(),
        DataType::UInt64 => primitive!(UInt64Type).to_string(),
        DataType::Float16 => text::float4(primitive!(Float16Type).to_f32()),
        DataType::Float32 => text::float4(primitive!(Float32Type)),
        DataType::Float64 => text::float8(primitive!(Float64Type)),
        DataType::Decimal128(_, _) => decimal::<Decimal128Array>(array)?.value_as_string(row),
        DataType::Decimal256(_, _) => decimal::<Decimal256Array>(array)?.value_as_string(row),
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).to_owned(),
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        DataType::Binary => text::bytea(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => text::bytea(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => text::bytea(array.as_binary_view().value(row)),
        DataType::FixedSizeBinary(_) => text::bytea(array.as_fixed_size_binary().value(row)),
        DataType::Date32 => text::date(i64::from(primitive!(Date32Type))),
        DataType::Date64 => text::date(primitive!(Date64Type).div_euclid(86_400_000)),
        DataType::Time32(TimeUnit::Second) => text::time(i64::from(primitive!(Time32SecondType)) * 1_000_000),
        DataType::Time32(_) => text::time(i64::from(primitive!(Time32MillisecondType)) * 1_000),
        DataType::Time64(TimeUnit::Microsecond) => text::time(primitive!(Time64MicrosecondType)),
        DataType::Time64(_) => text::time(primitive!(Time64NanosecondType).div_euclid(1_000)),
        DataType::Timestamp(unit, zone) => {
            let microseconds = match unit {
                TimeUnit::Second => primitive!(TimestampSecondType) * 1_000_000,
                TimeUnit::Millisecond => primitive!(TimestampMillisecondType) * 1_000,
                TimeUnit::Microsecond => primitive!(TimestampMicrosecondType),
                TimeUnit::Nanosecond => primitive!(TimestampNanosecondType).div_euclid(1_000),
            };
            text::timestamp(microseconds) + if zone.is_some() { "+00" } else { "" }
        }
        DataType::Duration(unit) => {
            let microseconds = match unit {
                TimeUnit::Second => primitive!(DurationSecondType) * 1_000_000,
                TimeUnit::Millisecond => primitive!(DurationMillisecondType) * 1_000,
                TimeUnit::Microsecond => primitive!(DurationMicrosecondType),
                TimeUnit::Nanosecond => primitive!(DurationNanosecondType) / 1_000,
            };
            text::interval(0, 0, microseconds)
        }
        DataType::Interval(IntervalUnit::YearMonth) => text::interval(primitive!(IntervalYearMonthType), 0, 0),
        DataType::Interval(IntervalUnit::DayTime) => {
            let value = primitive!(IntervalDayTimeType);
            text::interval(0, value.days, i64::from(value.milliseconds) * 1_000)
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let value = primitive!(IntervalMonthDayNanoType);
            text::interval(value.months, value.days, value.nanoseconds / 1_000)
        }
        DataType::List(_) => list(array.as_list::<i32>().value(row).as_ref())?,
        DataType::LargeList(_) => list(array.as_list::<i64>().value(row).as_ref())?,
        DataType::FixedSizeList(_, _) => list(array.as_fixed_size_list().value(row).as_ref())?,
        other => return Err(format!("these tests do not know the type {other}")),
    };
    Ok(Some(value))
}

fn list(elements: &dyn Array) -> Result<String, String> {
    let elements: Result<Vec<_>, _> = (0..elements.len()).map(|row| to_text(elements, row)).collect();
    elements.map(text::array)
}

fn decimal<T: 'static>(array: &dyn Array) -> Result<&T, String> {
    array.as_any().downcast_ref::<T>().ok_or_else(|| "a decimal array of another width".to_owned())
}
