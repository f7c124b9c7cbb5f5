//! JSON for what PostgreSQL has no type for: structs, maps, unions, lists of lists. As `to_json` writes it.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UnionArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field};
use bytes::{BufMut, BytesMut};

use super::array::Lists;
use super::datetime::{self, Style};
use super::integer::nulls;
use super::{Column, Format, Nulls, Settings, ValueError, encoded, rewrite_tail};
use crate::postgres::types::{self, JSON, Representation};

/// The encoder of `array` as JSON values.
pub fn column(array: &ArrayRef, field: &Field, settings: &Settings) -> Box<dyn Column> {
    let of_values = |values: &ArrayRef| {
        let field = field.clone().with_data_type(values.data_type().clone());
        column(values, &field, settings)
    };
    if let Some(encoded) = encoded::column(array, &of_values) {
        return encoded;
    }
    match array.data_type() {
        DataType::Struct(fields) => {
            let structs = array.as_struct();
            let children = fields.iter().zip(structs.columns());
            let children = children.map(|(field, child)| (key(field.name()), column(child, field, settings)));
            Box::new(Struct { children: children.collect(), nulls: nulls(array) })
        }
        DataType::Map(_, _) => {
            let maps = array.as_map();
            let (key_field, value_field) = maps.entries_fields();
            Box::new(Map {
                offsets: maps.offsets().clone(),
                keys: super::column(maps.keys(), key_field, Format::Text, settings),
                values: column(maps.values(), value_field, settings),
                nulls: nulls(array),
            })
        }
        DataType::Union(fields, _) => {
            let unions = array.as_union().clone();
            let children = fields.iter().map(|(id, field)| (id, column(unions.child(id), field, settings)));
            Box::new(Union { children: children.collect(), unions })
        }
        DataType::Boolean => Box::new(Booleans(array.as_boolean().clone())),
        data_type if data_type.is_numeric() && matches!(Representation::of(field), Representation::Natural(_)) => {
            Box::new(Numbers(super::column(array, field, Format::Text, settings)))
        }
        DataType::Timestamp(..) => Box::new(Quoted(datetime::column(array, Format::Text, Style::Xsd, settings))),
        _ => match (Lists::of(array), types::element_of(field)) {
            (Some(lists), Some(element)) => {
                let elements = column(&lists.elements, &element, settings);
                Box::new(List { lists, elements })
            }
            _ => text(array, field, settings),
        },
    }
}

/// JSON as it is; everything else as a JSON string.
fn text(array: &ArrayRef, field: &Field, settings: &Settings) -> Box<dyn Column> {
    match Representation::of(field) {
        // The caller has dealt with everything that is JSON by structure.
        Representation::Json => Box::new(Nulls),
        Representation::Jsonb | Representation::Text(&JSON) => super::column(array, field, Format::Text, settings),
        _ => Box::new(Quoted(super::column(array, field, Format::Text, settings))),
    }
}

/// `"name":`
fn key(name: &str) -> Vec<u8> {
    let mut key = BytesMut::new();
    put_string(name.as_bytes(), &mut key);
    key.put_u8(b':');
    key.to_vec()
}

fn put_or_null(column: &dyn Column, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
    if column.is_null(row) {
        out.put_slice(b"null");
        return Ok(());
    }
    column.put(row, out)
}

/// A JSON string with the escapes PostgreSQL uses.
fn put_string(text: &[u8], out: &mut BytesMut) {
    out.put_u8(b'"');
    for byte in text {
        match byte {
            b'"' => out.put_slice(b"\\\""),
            b'\\' => out.put_slice(b"\\\\"),
            b'\x08' => out.put_slice(b"\\b"),
            b'\x0c' => out.put_slice(b"\\f"),
            b'\n' => out.put_slice(b"\\n"),
            b'\r' => out.put_slice(b"\\r"),
            b'\t' => out.put_slice(b"\\t"),
            0..=0x1f => out.put_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.put_u8(*byte),
        }
    }
    out.put_u8(b'"');
}

struct Struct {
    children: Vec<(Vec<u8>, Box<dyn Column>)>,
    nulls: Option<NullBuffer>,
}

impl Column for Struct {
    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        out.put_u8(b'{');
        for (count, (key, child)) in self.children.iter().enumerate() {
            if count > 0 {
                out.put_u8(b',');
            }
            out.put_slice(key);
            put_or_null(child.as_ref(), row, out)?;
        }
        out.put_u8(b'}');
        Ok(())
    }
}

struct Map {
    offsets: OffsetBuffer<i32>,
    keys: Box<dyn Column>,
    values: Box<dyn Column>,
    nulls: Option<NullBuffer>,
}

impl Column for Map {
    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        out.put_u8(b'{');
        let start = self.offsets[row] as usize;
        for at in start..self.offsets[row + 1] as usize {
            if at > start {
                out.put_u8(b',');
            }
            let key_start = out.len();
            self.keys.put(at, out)?;
            rewrite_tail(out, key_start, put_string);
            out.put_u8(b':');
            put_or_null(self.values.as_ref(), at, out)?;
        }
        out.put_u8(b'}');
        Ok(())
    }
}

struct List {
    lists: Lists,
    elements: Box<dyn Column>,
}

impl Column for List {
    fn is_null(&self, row: usize) -> bool {
        self.lists.is_null(row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        out.put_u8(b'[');
        for (count, at) in self.lists.range(row).enumerate() {
            if count > 0 {
                out.put_u8(b',');
            }
            put_or_null(self.elements.as_ref(), at, out)?;
        }
        out.put_u8(b']');
        Ok(())
    }
}

/// The value of whichever alternative a row holds.
struct Union {
    unions: UnionArray,
    children: Vec<(i8, Box<dyn Column>)>,
}

impl Union {
    fn child(&self, row: usize) -> Option<(&dyn Column, usize)> {
        let id = self.unions.type_id(row);
        let (_, child) = self.children.iter().find(|(child, _)| *child == id)?;
        Some((child.as_ref(), self.unions.value_offset(row)))
    }
}

impl Column for Union {
    fn is_null(&self, row: usize) -> bool {
        self.child(row).is_none_or(|(child, at)| child.is_null(at))
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        match self.child(row) {
            Some((child, at)) => child.put(at, out),
            None => Ok(()),
        }
    }
}

struct Booleans(BooleanArray);

impl Column for Booleans {
    fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        out.put_slice(if self.0.value(row) { b"true" } else { b"false" });
        Ok(())
    }
}

/// Numbers stand as they are, but JSON has no NaN and no infinities.
struct Numbers(Box<dyn Column>);

impl Column for Numbers {
    fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        let start = out.len();
        self.0.put(row, out)?;
        if out.last().is_some_and(|last| !last.is_ascii_digit()) {
            rewrite_tail(out, start, put_string);
        }
        Ok(())
    }
}

/// The text of another encoder as a JSON string.
struct Quoted(Box<dyn Column>);

impl Column for Quoted {
    fn is_null(&self, row: usize) -> bool {
        self.0.is_null(row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        let start = out.len();
        self.0.put(row, out)?;
        rewrite_tail(out, start, put_string);
        Ok(())
    }
}
