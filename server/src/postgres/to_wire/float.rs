//! float4 and float8: the shortest text that reads back as the same number, laid out as PostgreSQL does.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use bytes::{BufMut, BytesMut};

use super::integer::{Primitive, fixed_size};
use super::{Column, Format, Nulls};

/// Significant decimal digits that survive a round trip through the type, C's FLT_DIG and DBL_DIG. From 10 to this power
/// on, shortest text has an exponent.
const FLOAT4_DIGITS: i32 = 6;
const FLOAT8_DIGITS: i32 = 15;

pub fn floats(array: &ArrayRef, format: Format, extra_float_digits: i32) -> Box<dyn Column> {
    match (array.data_type(), format) {
        (DataType::Float16, Format::Binary) => {
            fixed_size(array.as_primitive::<Float16Type>(), |value| value.to_f32().to_be_bytes())
        }
        (DataType::Float32, Format::Binary) => fixed_size(array.as_primitive::<Float32Type>(), f32::to_be_bytes),
        (DataType::Float64, Format::Binary) => fixed_size(array.as_primitive::<Float64Type>(), f64::to_be_bytes),
        (DataType::Float16, Format::Text) => {
            Primitive::column(array.as_primitive::<Float16Type>(), move |value, out| {
                put_float4(value.to_f32(), extra_float_digits, out);
                Ok(())
            })
        }
        (DataType::Float32, Format::Text) => {
            Primitive::column(array.as_primitive::<Float32Type>(), move |value, out| {
                put_float4(value, extra_float_digits, out);
                Ok(())
            })
        }
        (DataType::Float64, Format::Text) => {
            Primitive::column(array.as_primitive::<Float64Type>(), move |value, out| {
                put_float8(value, extra_float_digits, out);
                Ok(())
            })
        }
        _ => Box::new(Nulls),
    }
}

pub fn put_float4(value: f32, extra_float_digits: i32, out: &mut BytesMut) {
    if extra_float_digits <= 0 || !value.is_finite() {
        return put_rounded(f64::from(value), FLOAT4_DIGITS + extra_float_digits, out);
    }
    put_shortest(ryu::Buffer::new().format_finite(value).as_bytes(), FLOAT4_DIGITS, out);
}

pub fn put_float8(value: f64, extra_float_digits: i32, out: &mut BytesMut) {
    if extra_float_digits <= 0 || !value.is_finite() {
        return put_rounded(value, FLOAT8_DIGITS + extra_float_digits, out);
    }
    put_shortest(ryu::Buffer::new().format_finite(value).as_bytes(), FLOAT8_DIGITS, out);
}

/// Lays out `shortest`, a number as Rust prints it (`1.0`, `12.5`, `1e-7`, `1.5e300`).
fn put_shortest(shortest: &[u8], digits_max: i32, out: &mut BytesMut) {
    let (negative, shortest) = match shortest {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let mut digits = [0_u8; 24];
    let (mut count, mut point, mut exponent) = (0_usize, None, 0_i32);
    for (at, byte) in shortest.iter().enumerate() {
        match byte {
            b'.' => point = Some(count as i32),
            b'e' => {
                exponent = std::str::from_utf8(&shortest[at + 1..]).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
                break;
            }
            digit => {
                digits[count] = *digit;
                count += 1;
            }
        }
    }
    // The number is 0.d1d2d3… * 10^point.
    let mut point = point.unwrap_or(count as i32) + exponent;
    let leading = digits[..count].iter().take_while(|digit| **digit == b'0').count();
    let trailing = digits[leading..count].iter().rev().take_while(|digit| **digit == b'0').count();
    let digits = &digits[leading..count - trailing];
    point -= leading as i32;
    if negative {
        out.put_u8(b'-');
    }
    if digits.is_empty() {
        return out.put_u8(b'0');
    }
    put_digits(digits, point, digits_max, out);
}

/// Writes 0.`digits` * 10^`point`, with an exponent when that is below -4 or not below `digits_max`.
fn put_digits(digits: &[u8], point: i32, digits_max: i32, out: &mut BytesMut) {
    let exponent = point - 1;
    if exponent < -4 || exponent >= digits_max {
        out.put_u8(digits[0]);
        if digits.len() > 1 {
            out.put_u8(b'.');
            out.put_slice(&digits[1..]);
        }
        out.put_slice(if exponent < 0 { b"e-" } else { b"e+" });
        let exponent = exponent.unsigned_abs();
        if exponent < 10 {
            out.put_u8(b'0');
        }
        out.put_slice(itoa::Buffer::new().format(exponent).as_bytes());
    } else if point <= 0 {
        out.put_slice(b"0.");
        out.put_bytes(b'0', point.unsigned_abs() as usize);
        out.put_slice(digits);
    } else if point as usize >= digits.len() {
        out.put_slice(digits);
        out.put_bytes(b'0', point as usize - digits.len());
    } else {
        let (whole, fraction) = digits.split_at(point as usize);
        out.put_slice(whole);
        out.put_u8(b'.');
        out.put_slice(fraction);
    }
}

/// C's `%.*g`: at most `precision` significant digits, without trailing zeros.
fn put_rounded(value: f64, precision: i32, out: &mut BytesMut) {
    if value.is_nan() {
        return out.put_slice(b"NaN");
    }
    if value.is_infinite() {
        return out.put_slice(if value > 0.0 { b"Infinity" } else { b"-Infinity" });
    }
    let precision = precision.max(1);
    let rounded = format!("{:.*e}", precision as usize - 1, value);
    put_shortest(rounded.as_bytes(), precision, out);
}
