//! Dictionary and run-end encoded columns: the encoder of their values, reached through keys or runs.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, RunArray};
use arrow::datatypes::{
    ArrowNativeType, DataType, Int8Type, Int16Type, Int32Type, Int64Type, RunEndIndexType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use bytes::{BufMut, BytesMut};

use super::{Column, ValueError};

/// The encoder when `array` is an encoding of other values, whose encoder `of_values` gives.
pub fn column(array: &ArrayRef, of_values: &dyn Fn(&ArrayRef) -> Box<dyn Column>) -> Option<Box<dyn Column>> {
    match array.data_type() {
        DataType::Dictionary(key, _) => {
            let values = of_values(array.as_any_dictionary().values());
            Some(match key.as_ref() {
                DataType::Int8 => Dictionary::<Int8Type>::column(array, values),
                DataType::Int16 => Dictionary::<Int16Type>::column(array, values),
                DataType::Int32 => Dictionary::<Int32Type>::column(array, values),
                DataType::Int64 => Dictionary::<Int64Type>::column(array, values),
                DataType::UInt8 => Dictionary::<UInt8Type>::column(array, values),
                DataType::UInt16 => Dictionary::<UInt16Type>::column(array, values),
                DataType::UInt32 => Dictionary::<UInt32Type>::column(array, values),
                // Arrow has no other key types.
                _ => Dictionary::<UInt64Type>::column(array, values),
            })
        }
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => Runs::<Int16Type>::column(array, of_values),
            DataType::Int32 => Runs::<Int32Type>::column(array, of_values),
            _ => Runs::<Int64Type>::column(array, of_values),
        },
        _ => None,
    }
}

struct Dictionary<K: ArrowPrimitiveType> {
    keys: PrimitiveArray<K>,
    values: Box<dyn Column>,
}

impl<K> Dictionary<K>
where
    K: arrow::datatypes::ArrowDictionaryKeyType,
{
    fn column(array: &ArrayRef, values: Box<dyn Column>) -> Box<dyn Column> {
        Box::new(Self { keys: array.as_dictionary::<K>().keys().clone(), values })
    }
}

impl<K: ArrowPrimitiveType> Column for Dictionary<K> {
    fn is_null(&self, row: usize) -> bool {
        self.keys.is_null(row) || self.values.is_null(self.keys.value(row).as_usize())
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        self.values.put(self.keys.value(row).as_usize(), out)
    }

    fn put_sized(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        if self.keys.is_null(row) {
            out.put_i32(super::NULL_LENGTH);
            return Ok(());
        }
        self.values.put_sized(self.keys.value(row).as_usize(), out)
    }

    fn is_plain(&self) -> bool {
        self.values.is_plain()
    }
}

struct Runs<R: RunEndIndexType> {
    array: RunArray<R>,
    values: Box<dyn Column>,
}

impl<R: RunEndIndexType> Runs<R> {
    fn column(array: &ArrayRef, of_values: &dyn Fn(&ArrayRef) -> Box<dyn Column>) -> Option<Box<dyn Column>> {
        let array = array.as_any().downcast_ref::<RunArray<R>>()?.clone();
        Some(Box::new(Self { values: of_values(array.values()), array }))
    }
}

impl<R: RunEndIndexType> Column for Runs<R> {
    fn is_null(&self, row: usize) -> bool {
        self.values.is_null(self.array.get_physical_index(row))
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        self.values.put(self.array.get_physical_index(row), out)
    }

    fn put_sized(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        self.values.put_sized(self.array.get_physical_index(row), out)
    }

    fn is_plain(&self) -> bool {
        self.values.is_plain()
    }
}
