//! Array parameters of one dimension: `{1,NULL,"a b"}`, or a header and elements with their lengths.

use arrow::datatypes::DataType;
use bytes::Buf;
use sql::ScalarValue;

use super::{binary, null, text};
use crate::postgres::error::Error;
use crate::postgres::to_wire::TimeZone;
use crate::postgres::types::{self, PgType};

pub fn parse_text(oid: u32, element: &PgType, literal: &str, time_zone: TimeZone) -> Result<ScalarValue, Error> {
    let malformed = || Error::MalformedArray { text: literal.to_owned() };
    // int2vector and oidvector are written without braces.
    let words = match oid == types::INT2VECTOR.oid || oid == types::OIDVECTOR.oid {
        true => literal.split_ascii_whitespace().map(|word| Some(word.to_owned())).collect(),
        false => elements(literal.trim()).ok_or_else(malformed)?,
    };
    let values = words.into_iter().map(|word| match word {
        Some(word) => text::parse(element.oid, &word, time_zone),
        None => Ok(null(element.oid)),
    });
    list(element.oid, values.collect::<Result<_, _>>()?)
}

/// The elements of `{…}` without their quotes; `None` for one that is NULL. Nested arrays are malformed.
fn elements(literal: &str) -> Option<Vec<Option<String>>> {
    let inner = literal.strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return Some(vec![]);
    }
    let mut elements = vec![];
    let mut characters = inner.chars().peekable();
    loop {
        while characters.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        let quoted = characters.next_if_eq(&'"').is_some();
        let mut element = String::new();
        let mut escaped = false;
        loop {
            match characters.peek().copied() {
                None if quoted => return None,
                None => break,
                Some('"') if quoted => {
                    characters.next();
                    break;
                }
                Some(',') if !quoted => break,
                Some('"' | '{' | '}') if !quoted => return None,
                Some('\\') => {
                    characters.next();
                    element.push(characters.next()?);
                    escaped = true;
                }
                Some(character) => {
                    characters.next();
                    element.push(character);
                }
            }
        }
        if quoted {
            while characters.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        } else if !escaped {
            element.truncate(element.trim_end().len());
            if element.is_empty() {
                return None;
            }
        }
        let is_null = !quoted && !escaped && element.eq_ignore_ascii_case("NULL");
        elements.push(Some(element).filter(|_| !is_null));
        match characters.next() {
            None => return Some(elements),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

pub fn parse_binary(oid: u32, mut bytes: &[u8], number: usize) -> Result<ScalarValue, Error> {
    let insufficient = |_| Error::protocol_violation("insufficient data left in message");
    let dimensions = bytes.try_get_i32().map_err(insufficient)?;
    let _has_null = bytes.try_get_i32().map_err(insufficient)?;
    let element = bytes.try_get_u32().map_err(insufficient)?;
    if types::element_of_array(oid).is_some_and(|expected| expected.oid != element) {
        return Err(Error::InvalidBinary { number });
    }
    let count = match dimensions {
        0 => 0,
        1 => {
            let count = bytes.try_get_i32().map_err(insufficient)?;
            let _lower_bound = bytes.try_get_i32().map_err(insufficient)?;
            count
        }
        _ => return Err(Error::Unsupported { feature: "an array of more than one dimension as a parameter".into() }),
    };
    let mut values = vec![];
    for _ in 0..count {
        let value = match bytes.try_get_i32().map_err(insufficient)? {
            -1 => null(element),
            length => {
                let length = usize::try_from(length).map_err(|_| Error::InvalidBinary { number })?;
                let (value, rest) = bytes
                    .split_at_checked(length)
                    .ok_or_else(|| Error::protocol_violation("insufficient data left in message"))?;
                bytes = rest;
                binary::parse(element, value, number)?
            }
        };
        values.push(value);
    }
    if !bytes.is_empty() {
        return Err(Error::InvalidBinary { number });
    }
    list(element, values)
}

fn list(element: u32, values: Vec<ScalarValue>) -> Result<ScalarValue, Error> {
    let mut data_type = types::parameter_type(element).unwrap_or(DataType::Utf8);
    if element == types::NUMERIC.oid {
        data_type = common_decimal(&values);
    }
    let cast = |value: ScalarValue| value.cast_to(&data_type).map_err(|error| Error::Sql(error.into()));
    let values: Vec<ScalarValue> = values.into_iter().map(cast).collect::<Result<_, _>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&values, &data_type)))
}

/// The decimal type that holds all `values`.
fn common_decimal(values: &[ScalarValue]) -> DataType {
    let (mut whole, mut scale) = (1, 0);
    for value in values.iter().filter(|value| !value.is_null()) {
        if let DataType::Decimal128(precision, own) | DataType::Decimal256(precision, own) = value.data_type() {
            scale = scale.max(own);
            whole = whole.max(i16::from(precision) - i16::from(own));
        }
    }
    match whole + i16::from(scale) {
        precision @ ..=38 => DataType::Decimal128(precision as u8, scale),
        precision => DataType::Decimal256(precision.min(76) as u8, scale),
    }
}
