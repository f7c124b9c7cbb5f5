//! A line as the values that it has.

use std::borrow::Cow;

use sql::{CopyFormat, CopyOptions};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Null,
    Value(Cow<'a, [u8]>),
}

/// The fields of a line; `columns` are expected. An empty line is one field, or none of several.
pub(super) fn split<'a>(line: &'a [u8], options: &CopyOptions, columns: usize) -> Vec<Field<'a>> {
    if line.is_empty() && columns == 0 {
        return vec![];
    }
    match options.format {
        CopyFormat::Csv => csv(line, options),
        CopyFormat::Text | CopyFormat::Binary => text(line, options),
    }
}

fn text<'a>(line: &'a [u8], options: &CopyOptions) -> Vec<Field<'a>> {
    let mut fields = vec![];
    let mut start = 0;
    let mut at = 0;
    loop {
        match line.get(at) {
            Some(b'\\') => at += 1,
            Some(byte) if *byte != options.delimiter => {}
            end => {
                let field = &line[start..at.min(line.len())];
                fields.push(match field == options.null.as_bytes() {
                    true => Field::Null,
                    false => Field::Value(unescaped(field)),
                });
                if end.is_none() {
                    return fields;
                }
                start = at + 1;
            }
        }
        at += 1;
    }
}

/// `\n`, `\t` and their like, `\101`, `\x41`; other characters after a backslash are themselves.
fn unescaped(field: &[u8]) -> Cow<'_, [u8]> {
    if !field.contains(&b'\\') {
        return Cow::Borrowed(field);
    }
    let mut value = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [byte, after @ ..] = rest {
        rest = after;
        let [escaped, after @ ..] = rest else {
            value.push(*byte);
            break;
        };
        if *byte != b'\\' {
            value.push(*byte);
            continue;
        }
        rest = after;
        let digits = |rest: &[u8], radix: u32, max: usize| rest.iter().take(max).take_while(|byte| char::from(**byte).is_digit(radix)).count();
        value.push(match escaped {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'0'..=b'7' => {
                let count = digits(rest, 8, 2);
                let (more, after) = rest.split_at(count);
                rest = after;
                more.iter().fold(escaped - b'0', |number, digit| number.wrapping_mul(8).wrapping_add(digit - b'0'))
            }
            b'x' if digits(rest, 16, 2) > 0 => {
                let (digits, after) = rest.split_at(digits(rest, 16, 2));
                rest = after;
                let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or_default() as u8;
                digits.iter().fold(0, |number: u8, byte| number.wrapping_mul(16).wrapping_add(digit(byte)))
            }
            other => *other,
        });
    }
    Cow::Owned(value)
}

fn csv<'a>(line: &'a [u8], options: &CopyOptions) -> Vec<Field<'a>> {
    let mut fields = vec![];
    let mut value = vec![];
    let (mut was_quoted, mut is_quoted) = (false, false);
    let mut rest = line;
    loop {
        let byte = rest.first().copied();
        rest = rest.get(1..).unwrap_or_default();
        match byte {
            // The escape before a quotation mark or before itself; both may be the same character.
            Some(byte) if is_quoted && byte == options.escape && matches!(rest.first(), Some(next) if [options.quote, options.escape].contains(next)) => {
                value.extend(rest.first());
                rest = &rest[1..];
            }
            Some(byte) if is_quoted && byte == options.quote => is_quoted = false,
            Some(byte) if is_quoted => value.push(byte),
            Some(byte) if byte == options.quote => (was_quoted, is_quoted) = (true, true),
            Some(byte) if byte != options.delimiter => value.push(byte),
            end => {
                let column = fields.len();
                let is_null = value == options.null.as_bytes()
                    && if was_quoted { options.force_null.contains(&column) } else { !options.force_not_null.contains(&column) };
                let value = std::mem::take(&mut value);
                fields.push(if is_null { Field::Null } else { Field::Value(Cow::Owned(value)) });
                if end.is_none() {
                    return fields;
                }
                was_quoted = false;
            }
        }
    }
}
