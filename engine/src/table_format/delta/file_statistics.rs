//! What a table's log tells of the rows of a file: how many, and the bounds of their columns.
//!
//! The format is that of Delta Lake, JSON: `{"numRecords":2,"minValues":{"x":1},"maxValues":{"x":3},"nullCount":{"x":0}}`.

use std::fmt::Write;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use datafusion::arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Up to this, digits survive being read as floating point numbers and multiplied by a power of ten.
const EXACT_MAX: i128 = 1 << 50;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Logged {
    num_records: Option<usize>,
    min_values: Map<String, Value>,
    max_values: Map<String, Value>,
    null_count: Map<String, Value>,
    tight_bounds: Option<bool>,
}

/// The statistics of a file with the columns of `schema`. What is not there or cannot be read is unknown.
pub(super) fn read(json: Option<&str>, size: u64, schema: &Schema) -> Statistics {
    let logged = json.and_then(|json| serde_json::from_str::<Logged>(json).ok()).unwrap_or_default();
    let is_tight = logged.tight_bounds != Some(false);
    let column_statistics = schema.fields().iter().map(|field| {
        let bound = |values: &Map<String, Value>, is_upper| match bound(values.get(field.name()), field.data_type(), is_upper) {
            Some((value, true)) if is_tight => Precision::Exact(value),
            Some((value, _)) => Precision::Inexact(value),
            None => Precision::Absent,
        };
        let nulls = logged.null_count.get(field.name()).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
        ColumnStatistics {
            null_count: match nulls {
                Some(count) if is_tight => Precision::Exact(count),
                Some(count) => Precision::Inexact(count),
                None => Precision::Absent,
            },
            min_value: bound(&logged.min_values, false),
            max_value: bound(&logged.max_values, true),
            ..ColumnStatistics::default()
        }
    });
    Statistics {
        num_rows: logged.num_records.map_or(Precision::Absent, Precision::Exact),
        total_byte_size: Precision::Inexact(usize::try_from(size).unwrap_or(usize::MAX)),
        column_statistics: column_statistics.collect(),
    }
}

/// A bound, and whether some row has this value: others cut texts and times short.
fn bound(value: Option<&Value>, data_type: &DataType, is_upper: bool) -> Option<(ScalarValue, bool)> {
    let value = value?;
    Some(match data_type {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            (ScalarValue::Int64(Some(value.as_i64()?)).cast_to(data_type).ok()?, true)
        }
        DataType::Float32 | DataType::Float64 => (ScalarValue::Float64(Some(value.as_f64()?)).cast_to(data_type).ok()?, false),
        DataType::Decimal128(precision, scale) => {
            let unscaled = (value.as_f64()? * 10f64.powi(i32::from(*scale))).round();
            if unscaled.abs() >= EXACT_MAX as f64 {
                return None;
            }
            (ScalarValue::Decimal128(Some(unscaled as i128), *precision, *scale), true)
        }
        DataType::Date32 => {
            let days = value.as_str()?.parse::<NaiveDate>().ok()?.signed_duration_since(NaiveDate::default()).num_days();
            (ScalarValue::Date32(Some(i32::try_from(days).ok()?)), true)
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let text = value.as_str()?;
            let micros = match DateTime::parse_from_rfc3339(text) {
                Ok(time) => time.timestamp_micros(),
                Err(_) => text.parse::<NaiveDateTime>().ok()?.and_utc().timestamp_micros(),
            };
            // Some writers leave out what is below a millisecond.
            let micros = if is_upper { micros.checked_add(999)? } else { micros };
            (ScalarValue::TimestampMicrosecond(Some(micros), zone.clone()), false)
        }
        DataType::Utf8 => (ScalarValue::Utf8(Some(value.as_str()?.to_owned())), false),
        DataType::Utf8View => (ScalarValue::Utf8View(Some(value.as_str()?.to_owned())), false),
        _ => return None,
    })
}

/// The same for the log, from what the writer of a file knows.
pub(crate) fn to_json(statistics: &Statistics, rows: usize, schema: &Schema) -> String {
    let columns = || schema.fields().iter().zip(&statistics.column_statistics);
    let bounds = |of: fn(&ColumnStatistics) -> &Precision<ScalarValue>| {
        columns().filter_map(move |(field, column)| Some((field.name(), logged(of(column).get_value()?)?)))
    };
    let nulls = columns().filter_map(|(field, column)| match column.null_count {
        Precision::Exact(count) => Some((field.name(), count.to_string())),
        _ => None,
    });
    let (min, max) = (object(bounds(|column| &column.min_value)), object(bounds(|column| &column.max_value)));
    format!(r#"{{"numRecords":{rows},"minValues":{min},"maxValues":{max},"nullCount":{}}}"#, object(nulls))
}

fn object<'a>(members: impl Iterator<Item = (&'a String, String)>) -> String {
    let mut json = String::from("{");
    for (name, value) in members {
        let comma = if json.len() > 1 { "," } else { "" };
        // Writing to a string does not fail.
        let _ = write!(json, "{comma}{}:{value}", Value::String(name.clone()));
    }
    json + "}"
}

fn logged(value: &ScalarValue) -> Option<String> {
    let quoted = |text: String| Value::String(text).to_string();
    Some(match value {
        ScalarValue::Int8(value) => value.as_ref()?.to_string(),
        ScalarValue::Int16(value) => value.as_ref()?.to_string(),
        ScalarValue::Int32(value) => value.as_ref()?.to_string(),
        ScalarValue::Int64(value) => value.as_ref()?.to_string(),
        ScalarValue::Float32(value) => Value::from(value.filter(|value| value.is_finite())?).to_string(),
        ScalarValue::Float64(value) => Value::from(value.filter(|value| value.is_finite())?).to_string(),
        ScalarValue::Decimal128(Some(unscaled), _, _) if unscaled.abs() < EXACT_MAX => value.to_string(),
        ScalarValue::Date32(Some(days)) => {
            let date = NaiveDate::default().checked_add_signed(chrono::Duration::days(i64::from(*days)))?;
            quoted(date.to_string())
        }
        ScalarValue::TimestampMicrosecond(Some(micros), zone) => {
            let zone = if zone.is_some() { "Z" } else { "" };
            quoted(DateTime::from_timestamp_micros(*micros)?.format(&format!("%Y-%m-%dT%H:%M:%S%.6f{zone}")).to_string())
        }
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => quoted(text.clone()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::datatypes::Field;

    #[test]
    fn what_is_written_is_read() {
        let zone = Some("UTC".into());
        let values = [
            (ScalarValue::Int32(Some(-7)), true),
            (ScalarValue::Int64(Some(i64::MIN)), true),
            (ScalarValue::Decimal128(Some(-12_345_678_901), 20, 3), true),
            (ScalarValue::Date32(Some(-1)), true),
            (ScalarValue::Utf8View(Some("a \"b\" ü".into())), false),
            (ScalarValue::Float64(Some(0.1)), false),
            (ScalarValue::TimestampMicrosecond(Some(1_600_000_000_123_456), zone), false),
        ];
        let field = |(index, (value, _)): (usize, &(ScalarValue, bool))| Field::new(format!("c\"{index}"), value.data_type(), true);
        let schema = Schema::new(values.iter().enumerate().map(field).collect::<Vec<_>>());
        let column = |(value, _): &(ScalarValue, bool)| ColumnStatistics {
            min_value: Precision::Exact(value.clone()),
            null_count: Precision::Exact(2),
            ..ColumnStatistics::default()
        };
        let written = Statistics { column_statistics: values.iter().map(column).collect(), ..Statistics::default() };
        let read = read(Some(&to_json(&written, 9, &schema)), 100, &schema);
        assert_eq!(read.num_rows, Precision::Exact(9));
        for ((value, is_exact), column) in values.iter().zip(&read.column_statistics) {
            let expected = if *is_exact { Precision::Exact(value.clone()) } else { Precision::Inexact(value.clone()) };
            assert_eq!((&column.min_value, &column.max_value), (&expected, &Precision::Absent));
            assert_eq!(column.null_count, Precision::Exact(2));
        }
    }

    #[test]
    fn what_others_cut_short_bounds_all_the_same() {
        let schema = Schema::new(vec![Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, None), true)]);
        let of = |json| read(Some(json), 1, &schema).column_statistics[0].max_value.clone();
        let micros = |value| Precision::Inexact(ScalarValue::TimestampMicrosecond(Some(value), None));
        assert_eq!(of(r#"{"maxValues":{"t":"1970-01-01T00:00:01.500"}}"#), micros(1_500_999));
        assert_eq!(of(r#"{"maxValues":{"t":"tomorrow"}}"#), Precision::Absent);
        assert_eq!(of("no JSON"), Precision::Absent);
    }

    #[test]
    fn digits_that_others_would_lose_are_left_out() {
        let schema = Schema::new(vec![Field::new("d", DataType::Decimal128(38, 0), true)]);
        let value = ScalarValue::Decimal128(Some(EXACT_MAX + 1), 38, 0);
        let column = ColumnStatistics { min_value: Precision::Exact(value), ..ColumnStatistics::default() };
        let written = Statistics { column_statistics: vec![column], ..Statistics::default() };
        assert!(to_json(&written, 1, &schema).contains(r#""minValues":{}"#));
        let read = read(Some(r#"{"minValues":{"d":9007199254740993}}"#), 1, &schema);
        assert_eq!(read.column_statistics[0].min_value, Precision::Absent);
    }
}
