//! `COPY … TO STDOUT`: rows as text, CSV or PostgreSQL's binary format. A CopyData message holds one row, which clients
//! that read row by row rely on.

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use bytes::{BufMut, BytesMut};
use pgwire::messages::copy::{CopyDone, CopyOutResponse};
use sql::{CopyFormat, CopyOptions};

use super::error::{put_message, without_nul};
use super::to_wire::{self, Format, Settings, ValueError, patch_length, rewrite_tail};

/// What a binary COPY starts with: signature, flags, length of the header's extension.
const BINARY_HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// In place of a row's number of columns: there are no more rows.
const BINARY_TRAILER: i16 = -1;

/// How the rows of one COPY are written.
pub struct CopyRows {
    options: CopyOptions,
    settings: Settings,
    /// The binary header goes with the first row.
    header_pending: bool,
    /// Numbers and times need not be searched for characters to escape.
    trusts_plain: bool,
}

impl CopyRows {
    pub fn new(options: CopyOptions, settings: Settings) -> Self {
        let header_pending = options.format == CopyFormat::Binary;
        let in_numbers = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.: ".contains(&byte);
        let trusts_plain = match options.format {
            CopyFormat::Binary => true,
            CopyFormat::Text => !in_numbers(options.delimiter),
            // A value that reads like NULL is quoted.
            CopyFormat::Csv => {
                !in_numbers(options.delimiter) && !in_numbers(options.quote) && options.null.is_empty()
            }
        };
        Self { options, settings, header_pending, trusts_plain }
    }

    fn format(&self) -> Format {
        match self.options.format {
            CopyFormat::Binary => Format::Binary,
            CopyFormat::Text | CopyFormat::Csv => Format::Text,
        }
    }

    /// Appends CopyOutResponse, and the line of column names where one is asked for.
    pub fn put_start(&self, schema: &Schema, out: &mut BytesMut) -> Result<(), ValueError> {
        let format = self.format().code();
        let columns = schema.fields().len();
        put_message(&CopyOutResponse::new(format as i8, columns as i16, vec![format; columns]), out);
        if !self.options.header || self.options.format == CopyFormat::Binary {
            return Ok(());
        }
        let start = begin(out);
        for (index, field) in schema.fields().iter().enumerate() {
            if index > 0 {
                out.put_u8(self.options.delimiter);
            }
            let value = out.len();
            out.put_slice(without_nul(field.name().clone()).as_bytes());
            self.escape(value, false, columns == 1, out);
        }
        out.put_u8(b'\n');
        patch_length(out, start, 4)
    }

    /// The encoders of one batch.
    pub fn rows(&self, batch: &RecordBatch, schema: &SchemaRef) -> to_wire::Rows {
        to_wire::Rows::new(batch, schema, &vec![self.format(); batch.num_columns()], &self.settings)
    }

    /// Appends `row` as one CopyData message. Nothing is left of it after an error.
    pub fn put_row(&mut self, rows: &to_wire::Rows, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        let message = out.len();
        let start = begin(out);
        let put = match self.options.format {
            CopyFormat::Binary => {
                self.put_pending_header(out);
                rows.put_tuple(row, out)
            }
            CopyFormat::Text | CopyFormat::Csv => self.put_line(rows, row, out),
        };
        let put = put.and_then(|()| patch_length(out, start, 4));
        if put.is_err() {
            out.truncate(message);
        }
        put
    }

    /// Appends the end of the data and CopyDone.
    pub fn put_end(&mut self, out: &mut BytesMut) -> Result<(), ValueError> {
        if self.options.format == CopyFormat::Binary {
            let start = begin(out);
            self.put_pending_header(out);
            out.put_i16(BINARY_TRAILER);
            patch_length(out, start, 4)?;
        }
        put_message(&CopyDone::new(), out);
        Ok(())
    }

    fn put_pending_header(&mut self, out: &mut BytesMut) {
        if std::mem::take(&mut self.header_pending) {
            out.put_slice(BINARY_HEADER);
        }
    }

    fn put_line(&self, rows: &to_wire::Rows, row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        let columns = rows.columns();
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                out.put_u8(self.options.delimiter);
            }
            if column.is_null(row) {
                out.put_slice(self.options.null.as_bytes());
                continue;
            }
            let start = out.len();
            column.put(row, out)?;
            let force_quote = self.options.force_quote.contains(&index);
            if force_quote || !(self.trusts_plain && column.is_plain()) {
                self.escape(start, force_quote, columns.len() == 1, out);
            }
        }
        out.put_u8(b'\n');
        Ok(())
    }

    /// Escapes or quotes the value from `start` on, if it has to be.
    fn escape(&self, start: usize, force_quote: bool, is_only_column: bool, out: &mut BytesMut) {
        let CopyOptions { delimiter, quote, escape, .. } = self.options;
        let value = &out[start..];
        if self.options.format == CopyFormat::Text {
            if value.iter().any(|byte| *byte == b'\\' || *byte == delimiter || text_escape(*byte).is_some()) {
                rewrite_tail(out, start, |value, out| put_escaped(value, delimiter, out));
            }
            return;
        }
        let is_special = |byte: &u8| *byte == delimiter || *byte == quote || *byte == b'\n' || *byte == b'\r';
        let needs_quotes = force_quote
            || value == self.options.null.as_bytes()
            // Alone on its line it would end the data.
            || (is_only_column && value == b"\\.")
            || value.iter().any(is_special);
        if needs_quotes {
            rewrite_tail(out, start, |value, out| put_quoted(value, quote, escape, out));
        }
    }
}

/// Starts a CopyData message, and gives where its length is.
fn begin(out: &mut BytesMut) -> usize {
    out.put_slice(b"d\0\0\0\0");
    out.len() - 4
}

/// The letter that stands for a control character in text format.
fn text_escape(byte: u8) -> Option<u8> {
    match byte {
        b'\x08' => Some(b'b'),
        b'\t' => Some(b't'),
        b'\n' => Some(b'n'),
        b'\x0b' => Some(b'v'),
        b'\x0c' => Some(b'f'),
        b'\r' => Some(b'r'),
        _ => None,
    }
}

fn put_escaped(value: &[u8], delimiter: u8, out: &mut BytesMut) {
    for byte in value {
        if let Some(letter) = text_escape(*byte) {
            out.put_slice(&[b'\\', letter]);
        } else if *byte == b'\\' || *byte == delimiter {
            out.put_slice(&[b'\\', *byte]);
        } else {
            out.put_u8(*byte);
        }
    }
}

fn put_quoted(value: &[u8], quote: u8, escape: u8, out: &mut BytesMut) {
    out.put_u8(quote);
    for byte in value {
        if *byte == quote || *byte == escape {
            out.put_u8(escape);
        }
        out.put_u8(*byte);
    }
    out.put_u8(quote);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, StringArray};
    use arrow::datatypes::{DataType, Field};

    use super::*;

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

    /// The data of every CopyData message for the values, NULL where there is none.
    fn copied(options: CopyOptions, values: &[Option<&str>]) -> Vec<Vec<u8>> {
        let fields = vec![Field::new("n", DataType::Int32, true), Field::new("a,b", DataType::Utf8, true)];
        let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..values.len() as i32));
        let texts: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![numbers, texts]).unwrap();
        let mut copy = CopyRows::new(options, Settings::default());
        let mut out = BytesMut::new();
        copy.put_start(&batch.schema(), &mut out).unwrap();
        let rows = copy.rows(&batch, &batch.schema());
        for row in 0..rows.count() {
            copy.put_row(&rows, row, &mut out).unwrap();
        }
        copy.put_end(&mut out).unwrap();
        let mut data = vec![];
        while !out.is_empty() {
            let length = u32::from_be_bytes(out[1..5].try_into().unwrap()) as usize;
            let message = out.split_to(1 + length);
            if message[0] == b'd' {
                data.push(message[5..].to_vec());
            }
        }
        data
    }

    fn lines(options: CopyOptions, values: &[Option<&str>]) -> String {
        String::from_utf8(copied(options, values).concat()).unwrap()
    }

    #[test]
    fn text_escapes_what_it_must() {
        let lines = lines(options(CopyFormat::Text), &[Some("a\tb\\c\nd\r"), None, Some(""), Some("\\N")]);
        assert_eq!(lines, "0\ta\\tb\\\\c\\nd\\r\n1\t\\N\n2\t\n3\t\\\\N\n");
        let bar = CopyOptions { delimiter: b'|', ..options(CopyFormat::Text) };
        assert_eq!(self::lines(bar, &[Some("a|b")]), "0|a\\|b\n");
    }

    #[test]
    fn csv_tells_null_from_the_empty_string() {
        let header = CopyOptions { header: true, ..options(CopyFormat::Csv) };
        let lines = lines(header, &[None, Some(""), Some("a,b"), Some("say \"x\""), Some("1\n2"), Some(" a ")]);
        assert_eq!(lines, "n,\"a,b\"\n0,\n1,\"\"\n2,\"a,b\"\n3,\"say \"\"x\"\"\"\n4,\"1\n2\"\n5, a \n");
    }

    #[test]
    fn csv_options_are_honoured() {
        let odd = CopyOptions {
            delimiter: b';',
            null: "0".into(),
            quote: b'\'',
            escape: b'\\',
            force_quote: vec![1],
            ..options(CopyFormat::Csv)
        };
        assert_eq!(lines(odd, &[Some("it's"), None]), "'0';'it\\'s'\n1;0\n");
    }

    #[test]
    fn binary_has_its_header_and_trailer_without_rows_too() {
        let none = copied(options(CopyFormat::Binary), &[]);
        assert_eq!(none, [[BINARY_HEADER.as_slice(), b"\xff\xff"].concat()]);
        let one = copied(options(CopyFormat::Binary), &[Some("x")]);
        let row = b"\0\x02\0\0\0\x04\0\0\0\0\0\0\0\x01x";
        assert_eq!(one, [[BINARY_HEADER.as_slice(), row].concat(), b"\xff\xff".to_vec()]);
    }
}
