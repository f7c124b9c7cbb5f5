//! Values as PostgreSQL prints them, and types as PostgreSQL calls them.

use chrono::{DateTime, Datelike};
use datafusion::arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

use super::value::Value;

/// What `x::text` gives for a value of an Arrow type; `None` for NULL.
pub fn text_of(value: &Value, data_type: &DataType) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        // The cast says true, the output function of a bare column `t`.
        Value::Bool(bool) => bool.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Float(float) => match data_type {
            // Printed with the digits of float4, which values no longer know.
            DataType::Float32 => float_text(f64::from(*float as f32), &format!("{:e}", *float as f32)),
            _ => float_text(*float, &format!("{float:e}")),
        },
        Value::Text(text) => text.clone(),
        Value::List(items) => {
            let item_type = match data_type {
                DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => item.data_type(),
                _ => &DataType::Utf8,
            };
            array_text(items, item_type)
        }
        Value::Struct(fields) => {
            let types = match data_type {
                DataType::Struct(fields) => fields.iter().map(|field| field.data_type().clone()).collect(),
                _ => vec![DataType::Utf8; fields.len()],
            };
            let fields: Vec<_> =
                fields.iter().zip(&types).map(|(value, data_type)| element_text(value, data_type).unwrap_or_default()).collect();
            format!("({})", fields.join(","))
        }
        Value::Timestamp(micros) => timestamp_text(*micros, matches!(data_type, DataType::Timestamp(_, Some(_)))),
    })
}

/// As text within an array or a row: a boolean is one letter there.
fn element_text(value: &Value, data_type: &DataType) -> Option<String> {
    match value {
        Value::Bool(bool) => Some(if *bool { "t" } else { "f" }.to_owned()),
        _ => text_of(value, data_type),
    }
}

fn array_text(items: &[Value], item_type: &DataType) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|item| match item {
            Value::List(_) => text_of(item, item_type).unwrap_or_default(),
            _ => element_text(item, item_type).map_or_else(|| "NULL".to_owned(), |text| quoted_element(&text)),
        })
        .collect();
    format!("{{{}}}", items.join(","))
}

fn quoted_element(text: &str) -> String {
    let special = |c: char| matches!(c, '{' | '}' | ',' | '"' | '\\') || c.is_ascii_whitespace();
    if !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.contains(special) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// `scientific` is the shortest text that reads back as the same number, as `1.5e0`.
fn float_text(float: f64, scientific: &str) -> String {
    if float.is_nan() {
        return "NaN".into();
    }
    if float.is_infinite() {
        return if float > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific.to_owned() };
    let Ok(exponent) = exponent.parse::<i32>() else { return scientific.to_owned() };
    if (-4..15).contains(&exponent) {
        return decimal_text(mantissa, exponent);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// `1.25e2` as `125`.
fn decimal_text(mantissa: &str, exponent: i32) -> String {
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let point = exponent + 1;
    if point <= 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(point.unsigned_abs() as usize));
    }
    let point = point as usize;
    if digits.len() <= point {
        return format!("{sign}{digits}{}", "0".repeat(point - digits.len()));
    }
    format!("{sign}{}.{}", &digits[..point], &digits[point..])
}

/// ISO date and time without trailing zeros; with a zone it is UTC.
fn timestamp_text(micros: i64, with_zone: bool) -> String {
    let Some(time) = DateTime::from_timestamp_micros(micros) else { return micros.to_string() };
    let year = time.year();
    let mut text = format!("{:04}-{}", if year > 0 { year } else { 1 - year }, time.format("%m-%d %H:%M:%S"));
    let fraction = micros.rem_euclid(1_000_000);
    if fraction != 0 {
        text.push('.');
        text.push_str(format!("{fraction:06}").trim_end_matches('0'));
    }
    if with_zone {
        text.push_str("+00");
    }
    if year <= 0 {
        text.push_str(" BC");
    }
    text
}

/// The items of an array in PostgreSQL's text form, `{1,NULL,"a b"}`. Nested arrays are not read.
pub fn parse_array(text: &str) -> Option<Vec<Value>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut chars = inner.chars().peekable();
    if inner.trim().is_empty() {
        return Some(items);
    }
    loop {
        let mut item = String::new();
        let mut quoted = false;
        while chars.peek().is_some_and(|c| c.is_whitespace()) {
            chars.next();
        }
        if chars.next_if_eq(&'"').is_some() {
            quoted = true;
            loop {
                match chars.next()? {
                    '"' => break,
                    '\\' => item.push(chars.next()?),
                    c => item.push(c),
                }
            }
        }
        loop {
            match chars.next() {
                None | Some(',') if !quoted && item.trim().is_empty() => return None,
                end @ (None | Some(',')) => {
                    let value = if quoted {
                        Value::Text(item)
                    } else if item.trim().eq_ignore_ascii_case("null") {
                        Value::Null
                    } else {
                        Value::text(item.trim())
                    };
                    items.push(value);
                    if end.is_none() {
                        return Some(items);
                    }
                    break;
                }
                Some('{' | '}' | '"') => return None,
                Some('\\') => item.push(chars.next()?),
                Some(c) if quoted && c.is_whitespace() => {}
                Some(_) if quoted => return None,
                Some(c) => item.push(c),
            }
        }
    }
}

/// PostgreSQL's name for the type that an Arrow type appears as.
pub fn type_name(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Null => "unknown",
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint",
        DataType::Int32 | DataType::UInt16 => "integer",
        DataType::Int64 | DataType::UInt32 => "bigint",
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => "numeric",
        DataType::Float16 | DataType::Float32 => "real",
        DataType::Float64 => "double precision",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "bytea",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond)
        | DataType::Time64(_) => "time without time zone",
        DataType::Timestamp(_, None) => "timestamp without time zone",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano)
        | DataType::Duration(_) => "interval",
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
            if !item.data_type().is_nested() =>
        {
            return format!("{}[]", type_name(item.data_type()));
        }
        DataType::Dictionary(_, value) => return type_name(value),
        DataType::RunEndEncoded(_, value) => return type_name(value.data_type()),
        _ => "json",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats() {
        for (float, text) in [
            (1.0, "1"),
            (-0.5, "-0.5"),
            (1e15, "1e+15"),
            (123456789012345.0, "123456789012345"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (0.0, "0"),
            (1.5e300, "1.5e+300"),
        ] {
            assert_eq!(text_of(&Value::Float(float), &DataType::Float64).as_deref(), Some(text));
        }
    }

    #[test]
    fn arrays_read_back() {
        let items = vec![Value::text("a b"), Value::Null, Value::text("null"), Value::text(""), Value::text("x\"\\y"), Value::text("1")];
        let text = array_text(&items, &DataType::Utf8);
        assert_eq!(text, r#"{"a b",NULL,"null","","x\"\\y",1}"#);
        assert_eq!(parse_array(&text), Some(items));
        assert_eq!(parse_array("{}"), Some(vec![]));
        assert_eq!(parse_array("{a,}"), None);
        assert_eq!(parse_array("a"), None);
    }

    #[test]
    fn timestamps() {
        let zone = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        assert_eq!(text_of(&Value::Timestamp(1_500_000), &zone).as_deref(), Some("1970-01-01 00:00:01.5+00"));
    }
}
