//! numeric: decimals of 32 to 256 bits and unsigned 64-bit integers, with their scale kept.

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, UInt64Type, i256,
};
use bytes::{BufMut, BytesMut};

use super::integer::{Primitive, nulls};
use super::{Column, Format, Nulls, ValueError};

/// 2^256 has 78 decimal digits.
const DIGITS_MAX: usize = 78;
/// Base-10000 digits of the longest number: 78 decimal digits, aligned at the point, and 128 zeros of a negative scale.
const GROUPS_MAX: usize = DIGITS_MAX / 4 + 2 + 32;

const SIGN_POSITIVE: u16 = 0x0000;
const SIGN_NEGATIVE: u16 = 0x4000;

const TEN_TO_THE_16: u128 = 10_u128.pow(16);

pub fn decimals(array: &ArrayRef, format: Format) -> Box<dyn Column> {
    match *array.data_type() {
        DataType::Decimal32(_, scale) => {
            narrow(array.as_primitive::<Decimal32Type>(), scale, format, |value| i128::from(value))
        }
        DataType::Decimal64(_, scale) => {
            narrow(array.as_primitive::<Decimal64Type>(), scale, format, |value| i128::from(value))
        }
        DataType::Decimal128(_, scale) => narrow(array.as_primitive::<Decimal128Type>(), scale, format, |value| value),
        DataType::Decimal256(_, scale) => {
            let array = array.as_primitive::<Decimal256Type>();
            Box::new(Wide { array: array.clone(), nulls: nulls(array), scale, format })
        }
        _ => Box::new(Nulls),
    }
}

pub fn unsigned(array: &PrimitiveArray<UInt64Type>, format: Format) -> Box<dyn Column> {
    narrow(array, 0, format, |value| i128::from(value))
}

fn narrow<T: arrow::array::ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    scale: i8,
    format: Format,
    widen: impl Fn(T::Native) -> i128 + Send + 'static,
) -> Box<dyn Column> {
    match format {
        Format::Text => Primitive::column(array, move |value, out| {
            let value = widen(value);
            let magnitude = value.unsigned_abs();
            match u64::try_from(magnitude) {
                Ok(magnitude) => put_text(value < 0, itoa::Buffer::new().format(magnitude), scale, out),
                Err(_) => put_text(value < 0, itoa::Buffer::new().format(magnitude), scale, out),
            }
            Ok(())
        }),
        Format::Binary => Primitive::column(array, move |value, out| {
            let value = widen(value);
            put_binary(value < 0, value.unsigned_abs(), scale, out);
            Ok(())
        }),
    }
}

/// Decimals of 256 bits, by way of their decimal text: they are rare.
struct Wide {
    array: PrimitiveArray<Decimal256Type>,
    nulls: Option<NullBuffer>,
    scale: i8,
    format: Format,
}

impl Column for Wide {
    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        let value: i256 = self.array.value(row);
        let digits = value.to_string();
        let magnitude = digits.trim_start_matches('-');
        match self.format {
            Format::Text => put_text(value.is_negative(), magnitude, self.scale, out),
            Format::Binary => put_binary_digits(value.is_negative(), magnitude.as_bytes(), self.scale, out),
        }
        Ok(())
    }

    fn is_plain(&self) -> bool {
        true
    }
}

/// `digits` with the point `scale` digits from the end.
pub fn put_text(negative: bool, digits: &str, scale: i8, out: &mut BytesMut) {
    if negative {
        out.put_u8(b'-');
    }
    let digits = digits.as_bytes();
    let Ok(scale) = usize::try_from(scale) else {
        out.put_slice(digits);
        if digits != b"0" {
            out.put_bytes(b'0', scale.unsigned_abs().into());
        }
        return;
    };
    if scale == 0 {
        return out.put_slice(digits);
    }
    match digits.len().checked_sub(scale) {
        Some(0) | None => {
            out.put_slice(b"0.");
            out.put_bytes(b'0', scale - digits.len());
            out.put_slice(digits);
        }
        Some(point) => {
            out.put_slice(&digits[..point]);
            out.put_u8(b'.');
            out.put_slice(&digits[point..]);
        }
    }
}

/// Base-10000 digits, most significant last, aligned at the decimal point.
fn put_binary(negative: bool, magnitude: u128, scale: i8, out: &mut BytesMut) {
    let Ok(scale) = u16::try_from(scale) else {
        return put_binary_digits(negative, itoa::Buffer::new().format(magnitude).as_bytes(), scale, out);
    };
    let mut groups = [0_u16; GROUPS_MAX];
    let mut count = 0;
    let mut push = |group: u64| {
        groups[count] = group as u16;
        count += 1;
    };
    // The last group holds the digits after the point that do not fill one.
    let partial = scale % 4;
    let mut magnitude = magnitude;
    if partial != 0 {
        let divisor = 10_u64.pow(u32::from(partial));
        let padding = 10_u64.pow(u32::from(4 - partial));
        let (quotient, remainder) = match u64::try_from(magnitude) {
            Ok(magnitude) => (u128::from(magnitude / divisor), magnitude % divisor),
            Err(_) => (magnitude / u128::from(divisor), (magnitude % u128::from(divisor)) as u64),
        };
        push(remainder * padding);
        magnitude = quotient;
    }
    // 128-bit division is slow: it yields four groups at a time, the rest is 64-bit.
    while magnitude > u128::from(u64::MAX) {
        let mut low = (magnitude % TEN_TO_THE_16) as u64;
        magnitude /= TEN_TO_THE_16;
        for _ in 0..4 {
            push(low % 10_000);
            low /= 10_000;
        }
    }
    let mut magnitude = magnitude as u64;
    while magnitude > 0 {
        push(magnitude % 10_000);
        magnitude /= 10_000;
    }
    put_groups(negative, &groups[..count], scale, out);
}

/// The same from decimal digits, for numbers of any length and for negative scales.
fn put_binary_digits(negative: bool, digits: &[u8], scale: i8, out: &mut BytesMut) {
    let zeros = usize::from(scale.min(0).unsigned_abs());
    let scale = u16::from(scale.max(0).unsigned_abs());
    let mut padded = Vec::with_capacity(digits.len() + zeros + 3);
    padded.extend_from_slice(digits);
    padded.resize(digits.len() + zeros + (4 - usize::from(scale % 4)) % 4, b'0');
    let group = |group: &[u8]| group.iter().fold(0, |value, digit| 10 * value + u16::from(digit - b'0'));
    let groups: Vec<u16> = padded.rchunks(4).map(group).collect();
    put_groups(negative, &groups, scale, out);
}

/// `groups` has the least significant first; those of the fraction are `scale` / 4, rounded up.
fn put_groups(negative: bool, groups: &[u16], scale: u16, out: &mut BytesMut) {
    let leading = groups.iter().rev().take_while(|group| **group == 0).count();
    let groups = &groups[..groups.len() - leading];
    let trailing = groups.iter().take_while(|group| **group == 0).count();
    let fraction_groups = i32::from(scale.div_ceil(4));
    let weight = if groups.len() == trailing { 0 } else { groups.len() as i32 - fraction_groups - 1 };
    let groups = &groups[trailing..];
    out.put_u16(groups.len() as u16);
    out.put_i16(weight as i16);
    out.put_u16(if negative && !groups.is_empty() { SIGN_NEGATIVE } else { SIGN_POSITIVE });
    out.put_u16(scale);
    for group in groups.iter().rev() {
        out.put_u16(*group);
    }
}
