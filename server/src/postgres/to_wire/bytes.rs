//! text and its relatives, bytea, uuid, and names that stand for objects.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, FixedSizeBinaryArray, LargeBinaryArray, LargeStringArray,
    StringArray, StringViewArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use bytes::{BufMut, BytesMut};

use super::integer::nulls;
use super::settings::ByteaOutput;
use super::{Column, Format, Nulls, ValueError};

/// The version byte that starts a binary jsonb.
const JSONB_VERSION: u8 = 1;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// An array of byte strings of whatever kind.
trait ByteStrings: Send + 'static {
    fn get(&self, row: usize) -> &[u8];
}

macro_rules! byte_strings {
    ($($array:ty: $value:ident => $bytes:expr;)*) => {
        $(impl ByteStrings for $array {
            fn get(&self, row: usize) -> &[u8] {
                let $value = self.value(row);
                $bytes
            }
        })*
    };
}

byte_strings! {
    StringArray: text => text.as_bytes();
    LargeStringArray: text => text.as_bytes();
    StringViewArray: text => text.as_bytes();
    BinaryArray: bytes => bytes;
    LargeBinaryArray: bytes => bytes;
    BinaryViewArray: bytes => bytes;
    FixedSizeBinaryArray: bytes => bytes;
}

/// Values of an array of byte strings, written by a function chosen once.
struct Bytes<A, P> {
    array: A,
    nulls: Option<NullBuffer>,
    put: P,
}

impl<A, P> Column for Bytes<A, P>
where
    A: ByteStrings,
    P: Fn(&[u8], &mut BytesMut) -> Result<(), ValueError> + Send,
{
    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        (self.put)(self.array.get(row), out)
    }
}

/// Bytes as they are.
struct Verbatim<A> {
    array: A,
    nulls: Option<NullBuffer>,
}

impl<A: ByteStrings> Column for Verbatim<A> {
    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        out.put_slice(self.array.get(row));
        Ok(())
    }

    fn put_sized(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        if self.is_null(row) {
            out.put_i32(super::NULL_LENGTH);
            return Ok(());
        }
        let value = self.array.get(row);
        let length = i32::try_from(value.len()).map_err(|_| ValueError::RowTooLong)?;
        out.put_i32(length);
        out.put_slice(value);
        Ok(())
    }
}

fn verbatim<A: ByteStrings + Array>(array: A) -> Box<dyn Column> {
    Box::new(Verbatim { nulls: nulls(&array), array })
}

/// Calls `$build` with the array of byte strings in its concrete type.
macro_rules! dispatch {
    ($array:expr, $build:expr) => {
        match $array.data_type() {
            DataType::Utf8 => $build($array.as_string::<i32>().clone()),
            DataType::LargeUtf8 => $build($array.as_string::<i64>().clone()),
            DataType::Utf8View => $build($array.as_string_view().clone()),
            DataType::Binary => $build($array.as_binary::<i32>().clone()),
            DataType::LargeBinary => $build($array.as_binary::<i64>().clone()),
            DataType::BinaryView => $build($array.as_binary_view().clone()),
            DataType::FixedSizeBinary(_) => $build($array.as_fixed_size_binary().clone()),
            _ => Box::new(Nulls),
        }
    };
}

fn with<A, P>(put: P) -> impl FnOnce(A) -> Box<dyn Column>
where
    A: ByteStrings + Array,
    P: Fn(&[u8], &mut BytesMut) -> Result<(), ValueError> + Send + 'static,
{
    move |array| Box::new(Bytes { nulls: nulls(&array), array, put })
}

/// Text, in both formats.
pub fn strings(array: &ArrayRef) -> Box<dyn Column> {
    dispatch!(array, verbatim)
}

pub fn binaries(array: &ArrayRef, format: Format, output: ByteaOutput) -> Box<dyn Column> {
    match (format, output) {
        (Format::Binary, _) => dispatch!(array, verbatim),
        (Format::Text, ByteaOutput::Hex) => dispatch!(array, with(put_hex)),
        (Format::Text, ByteaOutput::Escape) => dispatch!(array, with(put_escaped)),
    }
}

pub fn jsonb(array: &ArrayRef, format: Format) -> Box<dyn Column> {
    match format {
        Format::Text => dispatch!(array, verbatim),
        Format::Binary => dispatch!(
            array,
            with(|text: &[u8], out: &mut BytesMut| {
                out.put_u8(JSONB_VERSION);
                out.put_slice(text);
                Ok(())
            })
        ),
    }
}

/// Uuids as 16 bytes or as text.
pub fn uuids(array: &ArrayRef, format: Format) -> Box<dyn Column> {
    let is_text = matches!(array.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match (is_text, format) {
        (true, Format::Text) | (false, Format::Binary) => dispatch!(array, verbatim),
        (true, Format::Binary) => dispatch!(
            array,
            with(|text: &[u8], out: &mut BytesMut| {
                let uuid = uuid::Uuid::try_parse_ascii(text).map_err(|_| ValueError::InvalidUuid)?;
                out.put_slice(uuid.as_bytes());
                Ok(())
            })
        ),
        (false, Format::Text) => dispatch!(
            array,
            with(|bytes: &[u8], out: &mut BytesMut| {
                let uuid = uuid::Uuid::from_slice(bytes).map_err(|_| ValueError::InvalidUuid)?;
                out.put_slice(uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()).as_bytes());
                Ok(())
            })
        ),
    }
}

/// The binary form of a regclass given as text: possible when the text is the number itself.
pub fn object_names(array: &ArrayRef) -> Box<dyn Column> {
    dispatch!(
        array,
        with(|name: &[u8], out: &mut BytesMut| {
            let oid = match name {
                b"-" => Some(0),
                digits => std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u32>().ok()),
            };
            out.put_u32(oid.ok_or(ValueError::NameWithoutObjectId)?);
            Ok(())
        })
    )
}

/// `\x` and two digits a byte.
pub fn put_hex(bytes: &[u8], out: &mut BytesMut) -> Result<(), ValueError> {
    out.reserve(2 + 2 * bytes.len());
    out.put_slice(b"\\x");
    for pair in bytes.chunks(32) {
        let mut digits = [0; 64];
        for (byte, digits) in pair.iter().zip(digits.chunks_exact_mut(2)) {
            digits[0] = HEX[usize::from(byte >> 4)];
            digits[1] = HEX[usize::from(byte & 15)];
        }
        out.put_slice(&digits[..2 * pair.len()]);
    }
    Ok(())
}

/// The older form: printable ASCII as it is, the rest as `\ooo`.
fn put_escaped(bytes: &[u8], out: &mut BytesMut) -> Result<(), ValueError> {
    for byte in bytes {
        match byte {
            b'\\' => out.put_slice(b"\\\\"),
            b' '..=b'~' => out.put_u8(*byte),
            _ => {
                out.put_slice(&[b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)]);
            }
        }
    }
    Ok(())
}
