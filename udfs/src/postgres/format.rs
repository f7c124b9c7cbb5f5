//! `format(pattern, value, …)`: `%s` text, `%I` identifier, `%L` literal, with positions and widths.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;

use super::quote::{quoted_identifier, quoted_literal};
use super::row_function::{Call, Parameter, RowFunction};
use super::text_output::text_of;
use super::value::Value;

pub fn format() -> ScalarUDF {
    RowFunction::new("format", &[Parameter::Text, Parameter::Any], DataType::Utf8, |call| formatted(call))
        .required(1)
        .variadic()
        .called_on_null()
        .build()
}

fn formatted(call: &Call<'_>) -> Result<Value> {
    let Some(pattern) = call.arg(0).as_text() else { return Ok(Value::Null) };
    let mut result = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    let mut next_argument = 1;
    while let Some(c) = chars.next() {
        if c != '%' {
            result.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            result.push('%');
            continue;
        }
        let mut number = digits(&mut chars);
        let mut argument = None;
        if number.is_some() && chars.next_if_eq(&'$').is_some() {
            argument = number.take();
        }
        let left_aligned = number.is_none() && chars.next_if_eq(&'-').is_some();
        let width = if number.is_some() {
            number
        } else if chars.next_if_eq(&'*').is_some() {
            let width = usize::try_from(call.int(next_argument).unsigned_abs()).ok();
            next_argument += 1;
            width
        } else {
            digits(&mut chars)
        };
        let index = argument.unwrap_or(next_argument);
        next_argument = index + 1;
        let Some(kind) = chars.next() else { return exec_err!("unterminated format() type specifier") };
        if index == 0 || index >= call.args.len() {
            return exec_err!("too few arguments for format()");
        }
        let text = text_of(call.arg(index), call.fields[index].data_type());
        let text = match (kind, text) {
            ('s', text) => text.unwrap_or_default(),
            ('I', Some(text)) => quoted_identifier(&text),
            ('I', None) => return exec_err!("null values cannot be formatted as an SQL identifier"),
            ('L', Some(text)) => quoted_literal(&text),
            ('L', None) => "NULL".to_owned(),
            (kind, _) => return exec_err!("unrecognized format() type specifier \"{kind}\""),
        };
        // A client's text must not make the server allocate without limit.
        let missing = width.unwrap_or_default().min(WIDTH_MAX).saturating_sub(text.chars().count());
        if !left_aligned {
            result.extend(std::iter::repeat_n(' ', missing));
        }
        result.push_str(&text);
        if left_aligned {
            result.extend(std::iter::repeat_n(' ', missing));
        }
    }
    Ok(result.into())
}

/// No client pads wider than a screen; more is a mistake or an attack.
const WIDTH_MAX: usize = 1 << 20;

fn digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut text = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        text.push(digit);
    }
    text.parse().ok()
}
