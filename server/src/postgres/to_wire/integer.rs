//! bool, int2, int4, int8, unsigned integers, and integers that stand for object ids.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{
    DataType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use bytes::{BufMut, BytesMut};

use super::{Column, Format, Nulls, ValueError, bytes as byte_columns, decimal};

/// Values of a primitive array, written by a function chosen once.
pub struct Primitive<T: ArrowPrimitiveType, P> {
    values: ScalarBuffer<T::Native>,
    nulls: Option<NullBuffer>,
    put: P,
}

impl<T: ArrowPrimitiveType, P> Primitive<T, P>
where
    P: Fn(T::Native, &mut BytesMut) -> Result<(), ValueError> + Send + 'static,
{
    pub fn column(array: &PrimitiveArray<T>, put: P) -> Box<dyn Column> {
        Box::new(Self { values: array.values().clone(), nulls: nulls(array), put })
    }
}

impl<T: ArrowPrimitiveType, P> Column for Primitive<T, P>
where
    P: Fn(T::Native, &mut BytesMut) -> Result<(), ValueError> + Send,
{
    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        (self.put)(self.values[row], out)
    }

    fn is_plain(&self) -> bool {
        // Numbers and times have no quotes, backslashes or tabs.
        true
    }
}

/// The null bitmap, when there is a null in it.
pub fn nulls(array: &dyn Array) -> Option<NullBuffer> {
    array.nulls().filter(|nulls| nulls.null_count() > 0).cloned()
}

pub fn integers(array: &ArrayRef, format: Format) -> Box<dyn Column> {
    match array.data_type() {
        DataType::Int8 => integer(array.as_primitive::<Int8Type>(), format, |value| i16::from(value).to_be_bytes()),
        DataType::Int16 => integer(array.as_primitive::<Int16Type>(), format, i16::to_be_bytes),
        DataType::Int32 => integer(array.as_primitive::<Int32Type>(), format, i32::to_be_bytes),
        DataType::Int64 => integer(array.as_primitive::<Int64Type>(), format, i64::to_be_bytes),
        DataType::UInt8 => integer(array.as_primitive::<UInt8Type>(), format, |value| i16::from(value).to_be_bytes()),
        DataType::UInt16 => integer(array.as_primitive::<UInt16Type>(), format, |value| i32::from(value).to_be_bytes()),
        DataType::UInt32 => integer(array.as_primitive::<UInt32Type>(), format, |value| i64::from(value).to_be_bytes()),
        DataType::UInt64 => decimal::unsigned(array.as_primitive::<UInt64Type>(), format),
        _ => Box::new(Nulls),
    }
}

fn integer<T, const N: usize>(
    array: &PrimitiveArray<T>,
    format: Format,
    bytes: impl Fn(T::Native) -> [u8; N] + Send + 'static,
) -> Box<dyn Column>
where
    T: ArrowPrimitiveType,
    T::Native: itoa::Integer,
{
    match format {
        Format::Text => Primitive::column(array, |value, out| {
            out.put_slice(itoa::Buffer::new().format(value).as_bytes());
            Ok(())
        }),
        Format::Binary => Box::new(FixedSize { values: array.values().clone(), nulls: nulls(array), bytes }),
    }
}

/// Values of `N` bytes: length and value in one step.
struct FixedSize<V: arrow::datatypes::ArrowNativeType, F> {
    values: ScalarBuffer<V>,
    nulls: Option<NullBuffer>,
    bytes: F,
}

impl<V, F, const N: usize> Column for FixedSize<V, F>
where
    V: arrow::datatypes::ArrowNativeType,
    F: Fn(V) -> [u8; N] + Send,
{
    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        out.put_slice(&(self.bytes)(self.values[row]));
        Ok(())
    }

    fn put_sized(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        if self.is_null(row) {
            out.put_i32(super::NULL_LENGTH);
            return Ok(());
        }
        out.put_i32(N as i32);
        out.put_slice(&(self.bytes)(self.values[row]));
        Ok(())
    }
}

/// A column of primitive values that are `N` bytes each on the wire.
pub fn fixed_size<T: ArrowPrimitiveType, const N: usize>(
    array: &PrimitiveArray<T>,
    bytes: impl Fn(T::Native) -> [u8; N] + Send + 'static,
) -> Box<dyn Column> {
    Box::new(FixedSize { values: array.values().clone(), nulls: nulls(array), bytes })
}

pub fn booleans(array: &ArrayRef, format: Format) -> Box<dyn Column> {
    let (no, yes) = match format {
        Format::Text => (b'f', b't'),
        Format::Binary => (0, 1),
    };
    Box::new(Booleans { array: array.as_boolean().clone(), no, yes })
}

struct Booleans {
    array: BooleanArray,
    no: u8,
    yes: u8,
}

impl Column for Booleans {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        out.put_u8(if self.array.value(row) { self.yes } else { self.no });
        Ok(())
    }

    fn is_plain(&self) -> bool {
        true
    }
}

/// The binary form of oid, xid, regclass and the like: 32 bits, unsigned.
pub fn object_ids(array: &ArrayRef) -> Box<dyn Column> {
    match array.data_type() {
        DataType::Int16 => object_id(array.as_primitive::<Int16Type>(), i64::from),
        DataType::Int32 => object_id(array.as_primitive::<Int32Type>(), i64::from),
        DataType::Int64 => object_id(array.as_primitive::<Int64Type>(), |value| value),
        DataType::UInt16 => object_id(array.as_primitive::<UInt16Type>(), i64::from),
        DataType::UInt32 => object_id(array.as_primitive::<UInt32Type>(), i64::from),
        _ => byte_columns::object_names(array),
    }
}

fn object_id<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    widen: impl Fn(T::Native) -> i64 + Send + 'static,
) -> Box<dyn Column> {
    Primitive::column(array, move |value, out| {
        let value = widen(value);
        // An int4 column that holds an oid above 2^31 holds it as a negative number.
        let oid = u32::try_from(value).or_else(|_| i32::try_from(value).map(|value| value as u32));
        out.put_u32(oid.map_err(|_| ValueError::ObjectIdOutOfRange(value))?);
        Ok(())
    })
}
