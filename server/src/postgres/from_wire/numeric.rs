//! numeric parameters: decimal text, or base-10000 digits, become decimals of just the scale they were written with.

use arrow::datatypes::i256;
use bytes::Buf;
use sql::ScalarValue;

use super::invalid_text;
use crate::postgres::error::Error;
use crate::postgres::types::NUMERIC;

/// Digits that fit Arrow's decimals of 128 and 256 bits.
const DECIMAL128_DIGITS: usize = 38;
const DECIMAL256_DIGITS: usize = 76;

const SIGN_POSITIVE: u16 = 0x0000;
const SIGN_NEGATIVE: u16 = 0x4000;

/// An exponent beyond this gives no number that could be kept.
const EXPONENT_MAX: i32 = 1_000;

pub fn parse_text(text: &str) -> Result<ScalarValue, Error> {
    let invalid = || invalid_text(NUMERIC.oid, text);
    let trimmed = text.trim();
    if ["nan", "infinity", "inf", "+infinity", "+inf", "-infinity", "-inf"].contains(&trimmed.to_ascii_lowercase().as_str())
    {
        return Err(Error::Unsupported { feature: format!("the numeric value {trimmed}") });
    }
    let (negative, unsigned) = match trimmed.as_bytes() {
        [b'-', ..] => (true, &trimmed[1..]),
        [b'+', ..] => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| invalid())?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(invalid());
    }
    if !(-EXPONENT_MAX..=EXPONENT_MAX).contains(&exponent) {
        return Err(out_of_range(text));
    }
    decimal(negative, digits, fraction.len() as i32 - exponent).ok_or_else(|| out_of_range(text))
}

pub fn parse_binary(mut bytes: &[u8], number: usize) -> Result<ScalarValue, Error> {
    let invalid = || Error::InvalidBinary { number };
    if bytes.len() < 8 {
        return Err(Error::protocol_violation("insufficient data left in message"));
    }
    let count = usize::from(bytes.get_u16());
    let weight = i32::from(bytes.get_i16());
    let sign = bytes.get_u16();
    let scale = i32::from(bytes.get_u16() & 0x3fff);
    if bytes.len() != 2 * count {
        return Err(invalid());
    }
    let negative = match sign {
        SIGN_POSITIVE => false,
        SIGN_NEGATIVE => true,
        _ => return Err(Error::Unsupported { feature: "a numeric value that is NaN or infinite".into() }),
    };
    let mut digits = String::with_capacity(4 * count);
    for _ in 0..count {
        let group = bytes.get_u16();
        if group > 9_999 {
            return Err(invalid());
        }
        digits.push_str(&format!("{group:04}"));
    }
    // The groups end 4 * (count - weight - 1) digits after the point; `scale` of them count.
    let after_point = 4 * (count as i32 - weight - 1);
    if digits.is_empty() {
        digits.push('0');
        return decimal(false, digits, scale).ok_or_else(|| out_of_range("0"));
    }
    match after_point - scale {
        surplus @ 1.. => digits.truncate(digits.len().saturating_sub(surplus as usize)),
        missing if (missing.unsigned_abs() as usize) < 16_384 => {
            digits.extend(std::iter::repeat_n('0', missing.unsigned_abs() as usize));
        }
        _ => return Err(invalid()),
    }
    if digits.is_empty() {
        digits.push('0');
    }
    let shown = digits.clone();
    decimal(negative, digits, scale).ok_or_else(|| out_of_range(&shown))
}

/// `digits` / 10^`scale`.
fn decimal(negative: bool, mut digits: String, mut scale: i32) -> Option<ScalarValue> {
    if scale < 0 {
        if digits.bytes().any(|digit| digit != b'0') {
            digits.extend(std::iter::repeat_n('0', scale.unsigned_abs() as usize));
        }
        scale = 0;
    }
    let digits = digits.trim_start_matches('0');
    // More than 76 digits after the point do not fit; the last ones that are zero do not matter.
    let surplus = (scale as usize).saturating_sub(DECIMAL256_DIGITS);
    let (digits, cut) = digits.split_at(digits.len().saturating_sub(surplus));
    if cut.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let scale = (scale as usize - surplus) as i8;
    let precision = digits.len().max(scale as usize).max(1);
    let signed = format!("{}{}", if negative { "-" } else { "" }, if digits.is_empty() { "0" } else { digits });
    if precision <= DECIMAL128_DIGITS {
        return Some(ScalarValue::Decimal128(Some(signed.parse().ok()?), precision as u8, scale));
    }
    if precision <= DECIMAL256_DIGITS {
        return Some(ScalarValue::Decimal256(Some(i256::from_string(&signed)?), precision as u8, scale));
    }
    None
}

fn out_of_range(text: &str) -> Error {
    Error::OutOfRange { pg_type: "numeric", text: text.trim().to_owned() }
}
