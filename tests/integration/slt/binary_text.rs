//! Turns PostgreSQL's binary format into its text format, so that both are checked by the same scripts.

use tokio_postgres::types::{FromSql, Kind, Type};

use super::text;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's dates begin.
const EPOCH_DAYS: i64 = 10_957;
const EPOCH_MICROSECONDS: i64 = EPOCH_DAYS * 86_400_000_000;

/// A value of any type as it was sent, or an explanation why its bytes make no sense.
pub struct Value(pub String);

impl<'a> FromSql<'a> for Value {
    fn from_sql(r#type: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        to_text(r#type, bytes).map(Value).map_err(|error| format!("{type} {bytes:?}: {error}").into())
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn to_text(r#type: &Type, bytes: &[u8]) -> Result<String, String> {
    if let Kind::Array(element) = r#type.kind() {
        return array(element, bytes);
    }
    let mut reader = Reader { bytes };
    let value = match *r#type {
        Type::BOOL => match reader.take(1)? {
            [0] => text::boolean(false),
            [1] => text::boolean(true),
            other => return Err(format!("a boolean of {other:?}")),
        },
        Type::INT2 => reader.i16()?.to_string(),
        Type::INT4 => reader.i32()?.to_string(),
        Type::INT8 => reader.i64()?.to_string(),
        Type::OID | Type::XID | Type::REGCLASS | Type::REGTYPE => (reader.i32()? as u32).to_string(),
        Type::FLOAT4 => text::float4(f32::from_bits(reader.i32()? as u32)),
        Type::FLOAT8 => text::float8(f64::from_bits(reader.i64()? as u64)),
        Type::NUMERIC => numeric(&mut reader)?,
        Type::DATE => text::date(i64::from(reader.i32()?) + EPOCH_DAYS),
        Type::TIME => text::time(reader.i64()?),
        Type::TIMESTAMP => text::timestamp(reader.i64()? + EPOCH_MICROSECONDS),
        // The scripts run with the session's time zone at UTC.
        Type::TIMESTAMPTZ => text::timestamp(reader.i64()? + EPOCH_MICROSECONDS) + "+00",
        Type::INTERVAL => {
            let microseconds = reader.i64()?;
            let days = reader.i32()?;
            text::interval(reader.i32()?, days, microseconds)
        }
        Type::BYTEA => text::bytea(reader.rest()),
        Type::UUID => {
            let hex = text::bytea(reader.take(16)?)[2..].to_owned();
            format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
        }
        Type::JSONB => {
            if reader.take(1)? != [1] {
                return Err("an unknown version of jsonb".to_owned());
            }
            utf8(reader.rest())?
        }
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR | Type::JSON | Type::UNKNOWN => {
            utf8(reader.rest())?
        }
        _ => return Err("a type these tests do not know".to_owned()),
    };
    match reader.bytes {
        [] => Ok(value),
        rest => Err(format!("{} bytes too many", rest.len())),
    }
}

/// Base-10000 digits: count, weight of the first, sign, digits after the point, then the digits.
fn numeric(reader: &mut Reader) -> Result<String, String> {
    let count = reader.i16()?;
    let weight = reader.i16()?;
    let sign = reader.i16()? as u16;
    let scale = reader.i16()?;
    if sign == 0xC000 {
        return Ok("NaN".to_owned());
    }
    let mut digits = vec![];
    for _ in 0..count {
        let digit = reader.i16()?;
        if !(0..10_000).contains(&digit) {
            return Err(format!("a digit of {digit}"));
        }
        digits.push(digit);
    }
    let digit = |position: i16| -> i16 {
        usize::try_from(weight - position).ok().and_then(|index| digits.get(index)).copied().unwrap_or(0)
    };
    let mut whole: String = (0..=weight.max(0)).rev().map(|position| format!("{:04}", digit(position))).collect();
    whole = whole.trim_start_matches('0').to_owned();
    if whole.is_empty() {
        whole.push('0');
    }
    let groups = (scale + 3) / 4;
    let fraction: String = (1..=groups).map(|position| format!("{:04}", digit(-position))).collect();
    let minus = if sign == 0x4000 { "-" } else { "" };
    match scale {
        0 => Ok(format!("{minus}{whole}")),
        _ => Ok(format!("{minus}{whole}.{}", &fraction[..scale as usize])),
    }
}

fn array(element: &Type, bytes: &[u8]) -> Result<String, String> {
    let mut reader = Reader { bytes };
    let dimensions = reader.i32()?;
    let has_null = reader.i32()?;
    let oid = reader.i32()? as u32;
    if oid != element.oid() {
        return Err(format!("elements of type {oid}, announced {}", element.oid()));
    }
    if dimensions == 0 {
        return Ok("{}".to_owned());
    }
    if dimensions != 1 {
        return Err(format!("{dimensions} dimensions"));
    }
    let length = reader.i32()?;
    let _lower_bound = reader.i32()?;
    let mut elements = vec![];
    for _ in 0..length {
        elements.push(match reader.i32()? {
            -1 => None,
            size => Some(to_text(element, reader.take(size as usize)?)?),
        });
    }
    if elements.iter().any(Option::is_none) && has_null == 0 {
        return Err("a NULL in an array that says it has none".to_owned());
    }
    match reader.bytes {
        [] => Ok(text::array(elements)),
        rest => Err(format!("{} bytes too many", rest.len())),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| error.to_string())
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        if self.bytes.len() < length {
            return Err(format!("{length} bytes expected, {} left", self.bytes.len()));
        }
        let (taken, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        Ok(taken)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    fn i16(&mut self) -> Result<i16, String> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into().map_err(|_| "two bytes")?))
    }

    fn i32(&mut self) -> Result<i32, String> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into().map_err(|_| "four bytes")?))
    }

    fn i64(&mut self) -> Result<i64, String> {
        Ok(i64::from_be_bytes(self.take(8)?.try_into().map_err(|_| "eight bytes")?))
    }
}
