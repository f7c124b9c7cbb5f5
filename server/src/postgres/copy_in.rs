//! `COPY … FROM STDIN`: rows that a client sends as text, CSV or in PostgreSQL's binary format, as batches.

mod fields;
mod lines;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, Int32Builder, Int64Builder, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::{Buf, BytesMut};
use datafusion::error::DataFusionError;
use sql::{CopyFormat, CopyOptions, ScalarValue};

use super::error::Error;
use super::from_wire;
use super::to_wire::{Format, TimeZone};
use super::types;
use fields::Field;
use lines::Line;

/// Rows of a batch, unless they have so many bytes.
const BATCH_ROWS_MAX: usize = 8_192;
const BATCH_BYTES_MAX: usize = 4 << 20;
/// What binary data begins with.
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// After the signature: flags, and the length of what comes before the rows.
const HEADER_BYTES: usize = 19;
/// The flag of rows that begin with an oid.
const HAS_OIDS: u32 = 1 << 16;
/// Shown of a value in an error.
const SHOWN_MAX: usize = 100;

/// Takes what a client sends apart.
pub struct CopyReader {
    table: String,
    schema: SchemaRef,
    oids: Vec<u32>,
    options: CopyOptions,
    time_zone: TimeZone,
    input: BytesMut,
    /// Where the search for the end of a line goes on.
    searched: lines::Search,
    columns: Vec<Column>,
    /// Rows and bytes in `columns`.
    rows: usize,
    bytes: usize,
    /// The line, or the row of binary data, that is read.
    line: u64,
    /// The header was read.
    has_begun: bool,
    /// The data say that they have ended.
    has_ended: bool,
}

impl CopyReader {
    pub fn new(table: &str, schema: &SchemaRef, options: CopyOptions, time_zone: TimeZone) -> Self {
        let oids = schema.fields().iter().map(|field| types::column_type(field, None).oid).collect();
        let has_begun = options.format != CopyFormat::Binary && !options.header;
        Self {
            table: table.to_owned(),
            schema: Arc::clone(schema),
            oids,
            options,
            time_zone,
            input: BytesMut::new(),
            searched: lines::Search::default(),
            columns: columns(schema),
            rows: 0,
            bytes: 0,
            line: 0,
            has_begun,
            has_ended: false,
        }
    }

    /// Takes what the client has sent.
    pub fn add(&mut self, data: &[u8]) {
        if !self.has_ended {
            self.input.extend_from_slice(data);
        }
    }

    /// The next batch, if there are rows enough.
    pub fn batch(&mut self) -> Result<Option<RecordBatch>, Error> {
        while self.rows < BATCH_ROWS_MAX && self.bytes < BATCH_BYTES_MAX {
            if !self.read_row(false)? {
                return Ok(None);
            }
        }
        self.take().map(Some)
    }

    /// What is left when the client has sent everything; `None` in the end.
    pub fn last_batch(&mut self) -> Result<Option<RecordBatch>, Error> {
        while self.rows < BATCH_ROWS_MAX && self.bytes < BATCH_BYTES_MAX {
            if !self.read_row(true)? {
                // Rows may end without saying so, but not in the middle of one.
                let is_cut = self.options.format == CopyFormat::Binary && !self.input.is_empty();
                if is_cut {
                    return Err(bad_format("unexpected EOF in COPY data"));
                }
                return if self.rows == 0 { Ok(None) } else { self.take().map(Some) };
            }
        }
        self.take().map(Some)
    }

    fn take(&mut self) -> Result<RecordBatch, Error> {
        let columns = std::mem::replace(&mut self.columns, columns(&self.schema));
        let arrays = columns.into_iter().zip(self.schema.fields()).map(|(column, field)| column.finish(field.data_type()));
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        self.bytes = 0;
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options).map_err(|error| sql_error(error.into()))
    }

    /// Reads one row, if it is there; the last one need not have an end.
    fn read_row(&mut self, is_all: bool) -> Result<bool, Error> {
        if self.has_ended {
            return Ok(false);
        }
        match self.options.format {
            CopyFormat::Binary => self.read_binary(),
            CopyFormat::Text | CopyFormat::Csv => self.read_line(is_all),
        }
    }

    fn read_line(&mut self, is_all: bool) -> Result<bool, Error> {
        loop {
            let line = match lines::next(&mut self.input, &mut self.searched, &self.options, is_all) {
                Line::Unfinished => return Ok(false),
                Line::Unclosed => {
                    self.line += 1;
                    return Err(self.in_line(bad_format("unterminated CSV quoted field")));
                }
                Line::Whole(line) => line,
            };
            self.line += 1 + u64::try_from(std::mem::take(&mut self.searched.lines_within)).unwrap_or_default();
            if !self.has_begun {
                // The names of the columns.
                self.has_begun = true;
                continue;
            }
            if line.as_ref() == b"\\." {
                self.has_ended = true;
                self.input.clear();
                return Ok(false);
            }
            let fields = fields::split(&line, &self.options, self.columns.len());
            let count = fields.len();
            if count < self.columns.len() {
                let column = self.schema.field(count).name();
                return Err(self.in_line(bad_format(format!("missing data for column \"{column}\""))));
            }
            if count > self.columns.len() {
                return Err(self.in_line(bad_format("extra data after last expected column")));
            }
            for (index, field) in fields.into_iter().enumerate() {
                self.put_text(index, field)?;
            }
            self.rows += 1;
            return Ok(true);
        }
    }

    fn put_text(&mut self, index: usize, field: Field) -> Result<(), Error> {
        let value = match &field {
            Field::Null => None,
            Field::Value(value) => Some(value.as_ref()),
        };
        self.bytes += value.map_or(1, <[u8]>::len);
        self.columns[index].put(self.oids[index], Format::Text, value, self.time_zone).map_err(|error| self.in_column(error, index, value))
    }

    fn read_binary(&mut self) -> Result<bool, Error> {
        if !self.has_begun && !self.read_header()? {
            return Ok(false);
        }
        let Some(count) = self.input.get(..2).map(|bytes| i16::from_be_bytes([bytes[0], bytes[1]])) else { return Ok(false) };
        if count == -1 {
            self.has_ended = true;
            self.input.clear();
            return Ok(false);
        }
        let columns = self.columns.len();
        if usize::try_from(count) != Ok(columns) {
            return Err(bad_format(format!("row field count is {count}, expected {columns}")));
        }
        // All of the row, or none of it.
        let mut at = 2;
        let mut places = Vec::with_capacity(columns);
        for _ in 0..columns {
            let Some(length) = self.input.get(at..at + 4) else { return Ok(false) };
            let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
            at += 4;
            match usize::try_from(length) {
                Ok(length) => {
                    places.push(Some(at..at + length));
                    at += length;
                }
                Err(_) if length == -1 => places.push(None),
                Err(_) => return Err(bad_format("invalid field size")),
            }
            if self.input.len() < at {
                return Ok(false);
            }
        }
        let row = self.input.split_to(at).freeze();
        self.line += 1;
        for (index, place) in places.into_iter().enumerate() {
            let value = place.map(|place| row.slice(place));
            let put = self.columns[index].put(self.oids[index], Format::Binary, value.as_deref(), self.time_zone);
            put.map_err(|error| self.in_column(error, index, None))?;
        }
        self.rows += 1;
        self.bytes += row.len();
        Ok(true)
    }

    fn read_header(&mut self) -> Result<bool, Error> {
        let known = self.input.len().min(SIGNATURE.len());
        if self.input[..known] != SIGNATURE[..known] {
            return Err(bad_format("COPY file signature not recognized"));
        }
        let Some(header) = self.input.get(SIGNATURE.len()..HEADER_BYTES) else { return Ok(false) };
        let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (flags, extension) = (number(0), number(4) as usize);
        if flags & HAS_OIDS != 0 {
            return Err(bad_format("invalid COPY file header (WITH OIDS)"));
        }
        if flags >> 16 != 0 {
            return Err(bad_format("unrecognized critical flags in COPY file header"));
        }
        if extension > BATCH_BYTES_MAX {
            return Err(bad_format("invalid COPY file header (wrong length)"));
        }
        if self.input.len() < HEADER_BYTES + extension {
            return Ok(false);
        }
        self.input.advance(HEADER_BYTES + extension);
        self.has_begun = true;
        Ok(true)
    }

    fn in_line(&self, error: Error) -> Error {
        Error::in_context(error, format!("COPY {}, line {}", self.table, self.line))
    }

    fn in_column(&self, error: Error, index: usize, value: Option<&[u8]>) -> Error {
        let mut context = format!("COPY {}, line {}, column {}", self.table, self.line, self.schema.field(index).name());
        if let Some(value) = value {
            let text = String::from_utf8_lossy(value);
            let shown: String = text.chars().take(SHOWN_MAX).collect();
            let more = if shown.len() < text.len() { "..." } else { "" };
            context.push_str(&format!(": \"{shown}{more}\""));
        }
        Error::in_context(error, context)
    }
}

/// The values of one column. Those of other types are converted one by one.
enum Column {
    Text(StringBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float64(Float64Builder),
    Other(DataType, Vec<ScalarValue>),
}

fn columns(schema: &SchemaRef) -> Vec<Column> {
    let column = |data_type: &DataType| match data_type {
        data_type if data_type.is_string() => Column::Text(StringBuilder::new()),
        DataType::Int32 => Column::Int32(Int32Builder::new()),
        DataType::Int64 => Column::Int64(Int64Builder::new()),
        DataType::Float64 => Column::Float64(Float64Builder::new()),
        other => Column::Other(other.clone(), vec![]),
    };
    schema.fields().iter().map(|field| column(field.data_type())).collect()
}

impl Column {
    fn put(&mut self, oid: u32, format: Format, value: Option<&[u8]>, time_zone: TimeZone) -> Result<(), Error> {
        let scalar = from_wire::parameter(oid, format, value, 1, time_zone)?;
        match (self, scalar) {
            (Self::Text(column), ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text)) => column.append_option(text),
            (Self::Text(column), other) => column.append_value(other.to_string()),
            (Self::Int32(column), ScalarValue::Int32(value)) => column.append_option(value),
            (Self::Int64(column), ScalarValue::Int64(value)) => column.append_option(value),
            (Self::Float64(column), ScalarValue::Float64(value)) => column.append_option(value),
            (Self::Int32(_) | Self::Int64(_) | Self::Float64(_), other) => {
                let message = format!("a value of type {} is not one of its column", other.data_type());
                return Err(sql_error(DataFusionError::Internal(message)));
            }
            (Self::Other(data_type, column), value) => column.push(value.cast_to(data_type).map_err(sql_error)?),
        }
        Ok(())
    }

    fn finish(self, data_type: &DataType) -> Result<ArrayRef, Error> {
        let array: ArrayRef = match self {
            Self::Text(mut column) => Arc::new(column.finish()),
            Self::Int32(mut column) => Arc::new(column.finish()),
            Self::Int64(mut column) => Arc::new(column.finish()),
            Self::Float64(mut column) => Arc::new(column.finish()),
            Self::Other(_, column) => ScalarValue::iter_to_array(column).map_err(sql_error)?,
        };
        match array.data_type() == data_type {
            true => Ok(array),
            false => cast(&array, data_type).map_err(|error| sql_error(error.into())),
        }
    }
}

fn bad_format(message: impl Into<String>) -> Error {
    Error::BadCopyFormat { message: message.into() }
}

fn sql_error(error: DataFusionError) -> Error {
    Error::Sql(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{Field as ArrowField, Schema};
    use arrow::util::pretty::pretty_format_batches;

    fn options(format: CopyFormat) -> CopyOptions {
        let csv = format == CopyFormat::Csv;
        CopyOptions {
            format,
            delimiter: if csv { b',' } else { b'\t' },
            null: if csv { String::new() } else { "\\N".into() },
            header: false,
            quote: b'"',
            escape: b'"',
            force_quote: vec![],
            force_null: vec![],
            force_not_null: vec![],
        }
    }

    /// The rows of `data`, which comes in pieces of each size.
    fn read(options: &CopyOptions, data: &[u8]) -> Result<String, String> {
        let schema = Arc::new(Schema::new(vec![ArrowField::new("a", DataType::Int32, true), ArrowField::new("b", DataType::Utf8, true)]));
        let mut read = vec![];
        for size in [1, 2, 3, 7, data.len().max(1)] {
            let mut reader = CopyReader::new("t", &schema, options.clone(), TimeZone::Fixed(0));
            let mut batches = vec![];
            let error = |error: Error| error.to_string() + &error.context().map(|context| format!(" ({context})")).unwrap_or_default();
            for piece in data.chunks(size) {
                reader.add(piece);
                batches.extend(reader.batch().map_err(error)?);
            }
            batches.extend(reader.last_batch().map_err(error)?);
            let rows: Vec<String> = pretty_format_batches(&batches).expect("is shown").to_string().lines().skip(3).map(str::to_owned).collect();
            let rows = rows.iter().filter(|row| row.starts_with('|')).map(|row| row.replace(' ', "")).collect::<Vec<_>>();
            read.push(rows.join("\n"));
        }
        assert!(read.iter().all(|rows| *rows == read[0]), "{read:?}");
        Ok(read.remove(0))
    }

    #[test]
    fn text_is_read_however_it_is_cut() {
        let text = options(CopyFormat::Text);
        assert_eq!(read(&text, b"1\tone\n2\t\\N\n\\N\t\n").expect("rows"), "|1|one|\n|2||\n|||");
        assert_eq!(read(&text, b"1\ta\\tb\\\\c\\x41\\101\r\n2\tend").expect("rows"), "|1|a\tb\\cAA|\n|2|end|");
        assert_eq!(read(&text, b"1\ta\n\\.\nwhatever").expect("rows"), "|1|a|");
        for (data, error) in [
            ("1\n", "missing data for column \"b\" (COPY t, line 1)"),
            ("1\tx\n1\t2\t3\n", "extra data after last expected column (COPY t, line 2)"),
            ("1\tx\ny\tz\n", "invalid input syntax for type integer: \"y\" (COPY t, line 2, column a: \"y\")"),
        ] {
            assert_eq!(read(&text, data.as_bytes()), Err(error.to_owned()), "{data}");
        }
    }

    #[test]
    fn csv_is_read_however_it_is_cut() {
        let csv = options(CopyFormat::Csv);
        assert_eq!(read(&csv, b"1,one\n2,\n,\"\"\n3,\"x,\"\"y\"\"\"\n").expect("rows"), "|1|one|\n|2||\n|||\n|3|x,\"y\"|");
        assert_eq!(read(&csv, b"1,\"a\r\nb\"\r\n2,c").expect("rows").matches('|').count(), 9);
        let header = CopyOptions { header: true, null: "NULL".into(), force_null: vec![1], ..csv.clone() };
        assert_eq!(read(&header, b"a,b\n1,\"NULL\"\nNULL,x\n").expect("rows"), "|1||\n||x|");
        assert_eq!(read(&csv, b"1,\"x\n").expect_err("no end"), "unterminated CSV quoted field (COPY t, line 1)");
    }

    #[test]
    fn binary_is_read_however_it_is_cut() {
        let binary = options(CopyFormat::Binary);
        let mut data = SIGNATURE.to_vec();
        data.extend([0; 8]);
        let empty = [data.clone(), vec![0xff, 0xff]].concat();
        data.extend(b"\0\x02\0\0\0\x04\0\0\0\x07\0\0\0\x02ab\0\x02\xff\xff\xff\xff\xff\xff\xff\xff");
        let (cut, whole) = (data[..data.len() - 1].to_vec(), data.clone());
        data.extend(b"\xff\xff");
        assert_eq!(read(&binary, &data).expect("rows"), "|7|ab|\n|||");
        assert_eq!(read(&binary, &whole).expect("rows"), "|7|ab|\n|||");
        assert_eq!(read(&binary, &empty).expect("rows"), "");
        assert_eq!(read(&binary, &cut).expect_err("cut"), "unexpected EOF in COPY data");
        assert_eq!(read(&binary, b"1\tone\n").expect_err("text"), "COPY file signature not recognized");
    }
}
