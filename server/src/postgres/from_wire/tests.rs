//! Parameters as PostgreSQL's drivers send them, and what PostgreSQL 15 says of those it refuses.

use arrow::datatypes::IntervalMonthDayNano;
use sql::ScalarValue;

use super::parameter;
use crate::postgres::to_wire::{Format, TimeZone};
use crate::postgres::types::*;

fn text_in(time_zone: &str, pg_type: &PgType, value: &str) -> Result<ScalarValue, String> {
    let zone: TimeZone = time_zone.parse().unwrap();
    parameter(pg_type.oid, Format::Text, Some(value.as_bytes()), 1, zone).map_err(|error| format!("{} {error}", error.code()))
}

fn text(pg_type: &PgType, value: &str) -> Result<ScalarValue, String> {
    text_in("UTC", pg_type, value)
}

fn binary_of(oid: u32, hex: &str) -> Result<ScalarValue, String> {
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    parameter(oid, Format::Binary, Some(&bytes), 1, TimeZone::Fixed(0)).map_err(|error| format!("{} {error}", error.code()))
}

fn binary(pg_type: &PgType, hex: &str) -> Result<ScalarValue, String> {
    binary_of(pg_type.oid, hex)
}

fn error<T>(code_and_message: &str) -> Result<T, String> {
    Err(code_and_message.to_owned())
}

fn micros(value: i64) -> Result<ScalarValue, String> {
    Ok(ScalarValue::TimestampMicrosecond(Some(value), None))
}

fn instant(value: i64) -> Result<ScalarValue, String> {
    Ok(ScalarValue::TimestampMicrosecond(Some(value), Some("UTC".into())))
}

#[test]
fn null_has_the_type_of_the_parameter() {
    let null = |oid| parameter(oid, Format::Binary, None, 1, TimeZone::Fixed(0)).unwrap();
    assert_eq!(null(23), ScalarValue::Int32(None));
    assert_eq!(null(25), ScalarValue::Utf8(None));
    assert_eq!(null(0), ScalarValue::Utf8(None));
    assert!(null(1007).is_null());
}

#[test]
fn booleans_and_integers() {
    for (word, value) in [("t", true), ("TRUE", true), (" yes ", true), ("on", true), ("1", true), ("of", false), ("n", false), ("0", false)] {
        assert_eq!(text(&BOOL, word), Ok(ScalarValue::Boolean(Some(value))), "{word}");
    }
    assert_eq!(text(&BOOL, "o"), error("22P02 invalid input syntax for type boolean: \"o\""));
    assert_eq!(text(&INT4, " -12 "), Ok(ScalarValue::Int32(Some(-12))));
    assert_eq!(text(&INT4, "1.5"), error("22P02 invalid input syntax for type integer: \"1.5\""));
    assert_eq!(text(&INT2, "40000"), error("22003 value \"40000\" is out of range for type smallint"));
    assert_eq!(text(&INT8, "9223372036854775808"), error("22003 value \"9223372036854775808\" is out of range for type bigint"));
    assert_eq!(text(&OID, "4000000000"), Ok(ScalarValue::Int64(Some(4_000_000_000))));
    assert_eq!(binary(&BOOL, "01"), Ok(ScalarValue::Boolean(Some(true))));
    assert_eq!(binary(&INT2, "ffff"), Ok(ScalarValue::Int16(Some(-1))));
    assert_eq!(binary(&INT8, "0000000000000002"), Ok(ScalarValue::Int64(Some(2))));
    assert_eq!(binary(&OID, "ee6b2800"), Ok(ScalarValue::Int64(Some(4_000_000_000))));
    assert_eq!(binary(&INT4, "0001"), error("08P01 insufficient data left in message"));
    assert_eq!(binary(&INT4, "0000000001"), error("22P03 incorrect binary data format in bind parameter 1"));
}

#[test]
fn floats_and_decimals() {
    assert_eq!(text(&FLOAT8, "1e-5"), Ok(ScalarValue::Float64(Some(1e-5))));
    assert_eq!(text(&FLOAT8, "-Infinity"), Ok(ScalarValue::Float64(Some(f64::NEG_INFINITY))));
    assert_eq!(text(&FLOAT8, "1e400"), error("22003 value \"1e400\" is out of range for type double precision"));
    assert_eq!(text(&FLOAT4, "x"), error("22P02 invalid input syntax for type real: \"x\""));
    assert_eq!(binary(&FLOAT8, "3ff8000000000000"), Ok(ScalarValue::Float64(Some(1.5))));
    assert_eq!(binary(&FLOAT4, "3fc00000"), Ok(ScalarValue::Float32(Some(1.5))));

    let decimal = |value, precision, scale| Ok(ScalarValue::Decimal128(Some(value), precision, scale));
    assert_eq!(text(&NUMERIC, "1.50"), decimal(150, 3, 2));
    assert_eq!(text(&NUMERIC, "-.05"), decimal(-5, 2, 2));
    assert_eq!(text(&NUMERIC, "1.5e3"), decimal(1500, 4, 0));
    assert_eq!(text(&NUMERIC, "15e-3"), decimal(15, 3, 3));
    assert_eq!(text(&NUMERIC, "0"), decimal(0, 1, 0));
    assert_eq!(text(&NUMERIC, "1x"), error("22P02 invalid input syntax for type numeric: \"1x\""));
    assert_eq!(text(&NUMERIC, "NaN"), error("0A000 the numeric value NaN is not supported"));
    assert!(matches!(text(&NUMERIC, &"9".repeat(76)), Ok(ScalarValue::Decimal256(Some(_), 76, 0))));
    assert!(text(&NUMERIC, &"9".repeat(77)).unwrap_err().starts_with("22003"));
    assert_eq!(binary(&NUMERIC, "000200000000000200011388"), decimal(150, 3, 2));
    assert_eq!(binary(&NUMERIC, "0001ffff4000000201f4"), decimal(-5, 2, 2));
    assert_eq!(binary(&NUMERIC, "0000000000000002"), decimal(0, 2, 2));
    assert_eq!(binary(&NUMERIC, "0002ffff0000000800010929"), decimal(12345, 8, 8));
    assert_eq!(binary(&NUMERIC, "0001000200000000"[..16].to_owned().as_str()), error("22P03 incorrect binary data format in bind parameter 1"));
    assert_eq!(binary(&NUMERIC, "00010002000000000001"), decimal(100_000_000, 9, 0));
    assert_eq!(binary(&NUMERIC, "0001000000000000ffff"), error("22P03 incorrect binary data format in bind parameter 1"));
    assert_eq!(binary(&NUMERIC, "000100"), error("08P01 insufficient data left in message"));
}

#[test]
fn text_and_bytes() {
    let utf8 = |value: &str| Ok(ScalarValue::Utf8(Some(value.to_owned())));
    assert_eq!(text(&VARCHAR, " a "), utf8(" a "));
    assert_eq!(binary(&TEXT, "c3a9"), utf8("é"));
    assert_eq!(binary(&TEXT, "ff"), error("22021 invalid byte sequence for encoding \"UTF8\": 0xff"));
    assert_eq!(binary(&JSONB, "017b7d"), utf8("{}"));
    assert_eq!(binary(&JSONB, "027b7d"), error("22P03 incorrect binary data format in bind parameter 1"));
    let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    assert_eq!(text(&UUID, "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}"), utf8(uuid));
    assert_eq!(binary(&UUID, "a0eebc999c0b4ef8bb6d6bb9bd380a11"), utf8(uuid));
    assert_eq!(text(&UUID, "x"), error("22P02 invalid input syntax for type uuid: \"x\""));
    let bytes = |value: &[u8]| Ok(ScalarValue::Binary(Some(value.to_vec())));
    assert_eq!(text(&BYTEA, "\\x00fF"), bytes(b"\0\xff"));
    assert_eq!(text(&BYTEA, "a\\\\\\001"), bytes(b"a\\\x01"));
    assert_eq!(text(&BYTEA, "\\x0"), error("22P02 invalid input syntax for type bytea: \"\\x0\""));
    assert_eq!(binary(&BYTEA, "00ff"), bytes(b"\0\xff"));
    assert!(binary_of(869, "00").unwrap_err().starts_with("0A000"));
}

#[test]
fn dates_and_times() {
    let date = |days| Ok(ScalarValue::Date32(Some(days)));
    for form in ["2024-01-02", "20240102", "1/2/2024", " 2024-1-2 ", "2024-01-02 03:04:05", "2024-01-02T03:04:05Z", "2024-01-02 +00"] {
        assert_eq!(text(&DATE, form), date(19_724), "{form}");
    }
    assert_eq!(text(&DATE, "0044-03-15 BC"), date(-735_160));
    assert_eq!(text(&DATE, "x"), error("22007 invalid input syntax for type date: \"x\""));
    assert_eq!(text(&DATE, "2024-02-30"), error("22008 date/time field value out of range: \"2024-02-30\""));
    assert_eq!(binary(&DATE, "ffffd533"), date(0));
    let time = |micros| Ok(ScalarValue::Time64Microsecond(Some(micros)));
    assert_eq!(text(&TIME, "03:04:05.1"), time(11_045_100_000));
    assert_eq!(text(&TIME, "03:04"), time(11_040_000_000));
    assert_eq!(text(&TIME, "25:00"), error("22007 invalid input syntax for type time: \"25:00\""));
    assert_eq!(text(&TIMESTAMP, "2024-01-02 03:04:05.5"), micros(1_704_164_645_500_000));
    assert_eq!(text(&TIMESTAMP, "2024-01-02 03:04:05.5+02"), micros(1_704_164_645_500_000));
    assert_eq!(text(&TIMESTAMP, "2024-01-02"), micros(1_704_153_600_000_000));
    assert_eq!(text(&TIMESTAMP, "2024-01-02 3"), error("22007 invalid input syntax for type timestamp: \"2024-01-02 3\""));
    assert_eq!(binary(&TIMESTAMP, "fffca2fec4c82000"), micros(0));
    assert_eq!(binary(&TIMESTAMP, "7fffffffffffffff"), error("0A000 infinity as a timestamp is not supported"));
}

#[test]
fn an_instant_without_a_zone_is_in_that_of_the_session() {
    let noon = 1_720_008_000_000_000;
    assert_eq!(text(&TIMESTAMPTZ, "2024-07-03 12:00:00"), instant(noon));
    assert_eq!(text(&TIMESTAMPTZ, "2024-07-03 12:00:00+05:30"), instant(noon - 19_800_000_000));
    assert_eq!(text(&TIMESTAMPTZ, "2024-07-03 12:00:00 Europe/Berlin"), instant(noon - 7_200_000_000));
    assert_eq!(text_in("America/New_York", &TIMESTAMPTZ, "2024-07-03 12:00:00"), instant(noon + 14_400_000_000));
    assert_eq!(text_in("America/New_York", &TIMESTAMPTZ, "2024-07-03T12:00:00Z"), instant(noon));
    // Clocks skip from 02:00 to 03:00 on 2024-03-10: 02:30 is read as 03:30 EDT.
    assert_eq!(text_in("America/New_York", &TIMESTAMPTZ, "2024-03-10 02:30:00"), instant(1_710_055_800_000_000));
    // Clocks are put back from 02:00 to 01:00 on 2024-11-03: 01:30 is the second one, EST.
    assert_eq!(text_in("America/New_York", &TIMESTAMPTZ, "2024-11-03 01:30:00"), instant(1_730_615_400_000_000));
    assert_eq!(binary(&TIMESTAMPTZ, "fffca2fec4c82000"), instant(0));
}

#[test]
fn intervals() {
    let interval = |months, days, micros: i64| {
        Ok(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(months, days, micros * 1_000))))
    };
    assert_eq!(text(&INTERVAL, "1 year 2 mons -3 days 04:05:06.5"), interval(14, -3, 14_706_500_000));
    assert_eq!(text(&INTERVAL, "P1Y2M3DT4H5M6.5S"), interval(14, 3, 14_706_500_000));
    assert_eq!(text(&INTERVAL, "1.5 days"), interval(0, 1, 43_200_000_000));
    assert_eq!(text(&INTERVAL, "2 hours ago"), interval(0, 0, -7_200_000_000));
    assert_eq!(text(&INTERVAL, "1 day 2 second 3 microsecond"), interval(0, 1, 2_000_003));
    assert_eq!(text(&INTERVAL, "-00:00:01"), interval(0, 0, -1_000_000));
    assert_eq!(text(&INTERVAL, "90"), interval(0, 0, 90_000_000));
    assert_eq!(text(&INTERVAL, "1-2"), interval(14, 0, 0));
    assert_eq!(text(&INTERVAL, "1 fortnight"), error("22007 invalid input syntax for type interval: \"1 fortnight\""));
    assert_eq!(text(&INTERVAL, ""), error("22007 invalid input syntax for type interval: \"\""));
    assert_eq!(binary(&INTERVAL, "0000000000000001000000030000000e"), interval(14, 3, 1));
}

#[test]
fn arrays() {
    let numbers = |values: &[Option<i32>]| {
        let values: Vec<ScalarValue> = values.iter().map(|value| ScalarValue::Int32(*value)).collect();
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(&values, &arrow::datatypes::DataType::Int32)))
    };
    let parse = |value: &str| {
        parameter(1007, Format::Text, Some(value.as_bytes()), 1, TimeZone::Fixed(0)).map_err(|error| format!("{} {error}", error.code()))
    };
    assert_eq!(parse("{1,NULL, -3 }"), numbers(&[Some(1), None, Some(-3)]));
    assert_eq!(parse("{}"), numbers(&[]));
    for bad in ["", "1", "{1", "{1,}", "{\"1}", "{{1}}", "{1}x"] {
        assert_eq!(parse(bad), error(&format!("22P02 malformed array literal: \"{bad}\"")), "{bad}");
    }
    assert_eq!(parse("{x}"), error("22P02 invalid input syntax for type integer: \"x\""));
    let header = "000000010000000100000017000000030000000100000004";
    assert_eq!(binary_of(1007, &format!("{header}00000001ffffffff00000004fffffffd")), numbers(&[Some(1), None, Some(-3)]));
    assert_eq!(binary_of(1007, "000000000000000000000017"), numbers(&[]));
    assert_eq!(binary_of(1007, header), error("08P01 insufficient data left in message"));
    assert_eq!(binary_of(1007, "000000000000000000000019"), error("22P03 incorrect binary data format in bind parameter 1"));
    assert!(binary_of(1007, "000000020000000000000017").unwrap_err().starts_with("0A000"));
    let words = parameter(1009, Format::Text, Some(br#"{a,"b \"c\"",NULL,"NULL",\\}"#), 1, TimeZone::Fixed(0)).unwrap();
    assert_eq!(words.to_string(), "[a, b \"c\", , NULL, \\]");
}
