//! Arrays: `{1,NULL,"a b"}`, vectors printed as `1 2 3`, and the binary form of both.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field};
use bytes::{BufMut, BytesMut};

use super::integer::nulls;
use super::{Column, Format, Nulls, Settings, ValueError, rewrite_tail};
use crate::postgres::types;

/// The lists of a column: where in the child array each row's elements are.
pub struct Lists {
    ranges: Box<dyn Fn(usize) -> Range<usize> + Send>,
    pub elements: ArrayRef,
    pub nulls: Option<NullBuffer>,
}

impl Lists {
    /// `None` when `array` does not hold lists.
    pub fn of(array: &ArrayRef) -> Option<Lists> {
        let (ranges, elements): (Box<dyn Fn(usize) -> Range<usize> + Send>, _) = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let offsets = list.offsets().clone();
                (Box::new(move |row| offsets[row] as usize..offsets[row + 1] as usize), list.values())
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                let offsets = list.offsets().clone();
                (Box::new(move |row| offsets[row] as usize..offsets[row + 1] as usize), list.values())
            }
            DataType::ListView(_) => {
                let list = array.as_list_view::<i32>();
                let (offsets, sizes) = (list.offsets().clone(), list.sizes().clone());
                (Box::new(move |row| offsets[row] as usize..(offsets[row] + sizes[row]) as usize), list.values())
            }
            DataType::LargeListView(_) => {
                let list = array.as_list_view::<i64>();
                let (offsets, sizes) = (list.offsets().clone(), list.sizes().clone());
                (Box::new(move |row| offsets[row] as usize..(offsets[row] + sizes[row]) as usize), list.values())
            }
            DataType::FixedSizeList(_, size) => {
                let size = *size as usize;
                (Box::new(move |row| row * size..(row + 1) * size), array.as_fixed_size_list().values())
            }
            _ => return None,
        };
        Some(Lists { ranges, elements: elements.clone(), nulls: nulls(array) })
    }

    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The elements of the list at `row`.
    pub fn range(&self, row: usize) -> Range<usize> {
        (self.ranges)(row)
    }
}

/// Lists, and the encoder of their elements.
fn parts(array: &ArrayRef, field: &Field, format: Format, settings: &Settings) -> Option<(Lists, Box<dyn Column>, u32)> {
    let lists = Lists::of(array)?;
    let element = types::element_of(field)?;
    let oid = types::column_type(&element, None).oid;
    let elements = super::column(&lists.elements, &element, format, settings);
    Some((lists, elements, oid))
}

/// `{1,NULL,"a b",""}`.
pub fn text(array: &ArrayRef, field: &Field, settings: &Settings) -> Box<dyn Column> {
    match parts(array, field, Format::Text, settings) {
        Some((lists, elements, _)) => Box::new(Text { lists, elements }),
        None => Box::new(Nulls),
    }
}

/// `1 2 3`.
pub fn vector_text(array: &ArrayRef, field: &Field, settings: &Settings) -> Box<dyn Column> {
    match parts(array, field, Format::Text, settings) {
        Some((lists, elements, _)) => Box::new(VectorText { lists, elements }),
        None => Box::new(Nulls),
    }
}

/// Dimensions, a null flag, the element type, the length, `lower_bound`, then each element with its length.
pub fn binary(array: &ArrayRef, field: &Field, lower_bound: i32, settings: &Settings) -> Box<dyn Column> {
    match parts(array, field, Format::Binary, settings) {
        Some((lists, elements, element_oid)) => Box::new(Binary { lists, elements, element_oid, lower_bound }),
        None => Box::new(Nulls),
    }
}

struct Text {
    lists: Lists,
    elements: Box<dyn Column>,
}

impl Column for Text {
    fn is_null(&self, row: usize) -> bool {
        self.lists.is_null(row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        out.put_u8(b'{');
        for (count, at) in self.lists.range(row).enumerate() {
            if count > 0 {
                out.put_u8(b',');
            }
            if self.elements.is_null(at) {
                out.put_slice(b"NULL");
                continue;
            }
            let start = out.len();
            self.elements.put(at, out)?;
            if needs_quotes(&out[start..]) {
                rewrite_tail(out, start, put_quoted);
            }
        }
        out.put_u8(b'}');
        Ok(())
    }
}

fn needs_quotes(element: &[u8]) -> bool {
    let special = |byte: &u8| matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\' | b' ' | b'\t'..=b'\r');
    element.is_empty() || element.eq_ignore_ascii_case(b"NULL") || element.iter().any(special)
}

fn put_quoted(element: &[u8], out: &mut BytesMut) {
    out.put_u8(b'"');
    for byte in element {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

struct VectorText {
    lists: Lists,
    elements: Box<dyn Column>,
}

impl Column for VectorText {
    fn is_null(&self, row: usize) -> bool {
        self.lists.is_null(row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        for (count, at) in self.lists.range(row).enumerate() {
            if count > 0 {
                out.put_u8(b' ');
            }
            if !self.elements.is_null(at) {
                self.elements.put(at, out)?;
            }
        }
        Ok(())
    }

    fn is_plain(&self) -> bool {
        true
    }
}

struct Binary {
    lists: Lists,
    elements: Box<dyn Column>,
    element_oid: u32,
    lower_bound: i32,
}

impl Column for Binary {
    fn is_null(&self, row: usize) -> bool {
        self.lists.is_null(row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        let range = self.lists.range(row);
        // An empty array has no dimensions; a vector always has one.
        let dimensions = i32::from(!range.is_empty() || self.lower_bound == 0);
        out.put_i32(dimensions);
        out.put_i32(range.clone().any(|at| self.elements.is_null(at)).into());
        out.put_u32(self.element_oid);
        if dimensions == 1 {
            out.put_i32(i32::try_from(range.len()).map_err(|_| ValueError::RowTooLong)?);
            out.put_i32(self.lower_bound);
        }
        for at in range {
            self.elements.put_sized(at, out)?;
        }
        Ok(())
    }
}
