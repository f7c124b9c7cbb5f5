//! Arrow → wire: one encoder per column, chosen once per batch, that appends a row's value to the outgoing buffer.

mod array;
mod bytes;
mod datetime;
mod decimal;
mod encoded;
mod float;
mod integer;
mod interval;
mod json;
mod settings;

use ::bytes::{BufMut, BytesMut};
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::record_batch::RecordBatch;
use thiserror::Error;

pub use settings::{Settings, TimeZone};

use datetime::Style;

use super::types::Representation;

/// The length that stands for NULL.
const NULL_LENGTH: i32 = -1;

/// What PostgreSQL cannot receive in one message.
const MESSAGE_BYTES_MAX: usize = i32::MAX as usize;

/// The form of a value: text as in SQL, or the type's own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Binary,
}

impl Format {
    /// The code of the protocol.
    pub fn code(self) -> i16 {
        match self {
            Format::Text => 0,
            Format::Binary => 1,
        }
    }
}

/// A value that PostgreSQL's type cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ValueError {
    #[error("date out of range")]
    DateOutOfRange,
    #[error("time out of range")]
    TimeOutOfRange,
    #[error("timestamp out of range")]
    TimestampOutOfRange,
    #[error("interval out of range")]
    IntervalOutOfRange,
    #[error("value \"{0}\" is out of range for type oid")]
    ObjectIdOutOfRange(i64),
    #[error("a name that stands for an object has no binary form here")]
    NameWithoutObjectId,
    #[error("invalid text form of a uuid")]
    InvalidUuid,
    #[error("a row of more than 2147483647 bytes cannot be sent")]
    RowTooLong,
}

/// Encodes the values of one column of one batch.
pub trait Column: Send {
    fn is_null(&self, row: usize) -> bool;

    /// Appends the bytes of the value at `row`, which is not NULL.
    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError>;

    /// Appends length and bytes, or the length that stands for NULL.
    fn put_sized(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        if self.is_null(row) {
            out.put_i32(NULL_LENGTH);
            return Ok(());
        }
        let start = out.len();
        out.put_i32(0);
        self.put(row, out)?;
        patch_length(out, start, 0)
    }

    /// No value holds a character that COPY would have to escape or quote, whatever ordinary delimiter is used.
    fn is_plain(&self) -> bool {
        false
    }
}

/// Writes at `start` the length of what follows it; `own` bytes of the length field itself count.
pub fn patch_length(out: &mut BytesMut, start: usize, own: usize) -> Result<(), ValueError> {
    let length = out.len() - start - 4 + own;
    if length > MESSAGE_BYTES_MAX {
        return Err(ValueError::RowTooLong);
    }
    out[start..start + 4].copy_from_slice(&(length as i32).to_be_bytes());
    Ok(())
}

/// Replaces the bytes of `out` from `start` on by what `rewrite` appends for them: escapes are rare, so a value is written
/// first and looked at then.
pub fn rewrite_tail(out: &mut BytesMut, start: usize, rewrite: impl FnOnce(&[u8], &mut BytesMut)) {
    let tail = out[start..].to_vec();
    out.truncate(start);
    rewrite(&tail, out);
}

/// The rows of one batch, ready to be written one by one.
pub struct Rows {
    columns: Vec<Box<dyn Column>>,
    count: usize,
}

impl Rows {
    /// `formats` has one entry per column of `schema`, which is the batch's.
    pub fn new(batch: &RecordBatch, schema: &SchemaRef, formats: &[Format], settings: &Settings) -> Rows {
        let columns = batch.columns().iter().zip(schema.fields()).zip(formats);
        let columns = columns.map(|((array, field), format)| column(array, field, *format, settings)).collect();
        Rows { columns, count: batch.num_rows() }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn columns(&self) -> &[Box<dyn Column>] {
        &self.columns
    }

    /// Appends `row` as a DataRow message. Nothing is left of it after an error.
    pub fn put_data_row(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        let start = out.len();
        out.put_slice(b"D\0\0\0\0");
        let row = self.put_tuple(row, out).and_then(|()| patch_length(out, start + 1, 4));
        if row.is_err() {
            out.truncate(start);
        }
        row
    }

    /// Appends the number of columns and each with its length: the body of a DataRow, and a row of a binary COPY.
    pub fn put_tuple(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        out.put_i16(self.columns.len() as i16);
        for column in &self.columns {
            column.put_sized(row, out)?;
        }
        Ok(())
    }
}

/// The encoder of `array`, whose values are described by `field`.
pub fn column(array: &ArrayRef, field: &Field, format: Format, settings: &Settings) -> Box<dyn Column> {
    let of_values = |values: &ArrayRef| {
        let field = field.clone().with_data_type(values.data_type().clone());
        column(values, &field, format, settings)
    };
    if let Some(encoded) = encoded::column(array, &of_values) {
        return encoded;
    }
    match (Representation::of(field), format) {
        (Representation::Natural(_) | Representation::Text(_), _) => scalar(array, format, settings),
        (Representation::ObjectId(_), Format::Text) => scalar(array, format, settings),
        (Representation::ObjectId(_), Format::Binary) => integer::object_ids(array),
        (Representation::Jsonb, _) => bytes::jsonb(array, format),
        (Representation::Uuid, _) => bytes::uuids(array, format),
        (Representation::Vector(_), Format::Text) => array::vector_text(array, field, settings),
        (Representation::Vector(_), Format::Binary) => array::binary(array, field, 0, settings),
        (Representation::Array(_), Format::Text) => array::text(array, field, settings),
        (Representation::Array(_), Format::Binary) => array::binary(array, field, 1, settings),
        // The binary form of json is its text.
        (Representation::Json, _) => json::column(array, field, settings),
    }
}

/// The encoder of an array of scalars by its Arrow type.
fn scalar(array: &ArrayRef, format: Format, settings: &Settings) -> Box<dyn Column> {
    match array.data_type() {
        DataType::Boolean => integer::booleans(array, format),
        data_type if data_type.is_integer() => integer::integers(array, format),
        data_type if data_type.is_floating() => float::floats(array, format, settings.extra_float_digits),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            decimal::decimals(array, format)
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => bytes::strings(array),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            bytes::binaries(array, format, settings.bytea_output)
        }
        data_type if data_type.is_temporal() || matches!(data_type, DataType::Interval(_)) => {
            datetime::column(array, format, Style::Sql, settings)
        }
        _ => Box::new(Nulls),
    }
}

/// A column of the type Null.
struct Nulls;

impl Column for Nulls {
    fn is_null(&self, _row: usize) -> bool {
        true
    }

    fn put(&self, _row: usize, _out: &mut BytesMut) -> Result<(), ValueError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
