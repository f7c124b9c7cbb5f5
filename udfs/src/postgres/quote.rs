//! `quote_ident`, `quote_literal`, `quote_nullable`: text made safe to be a part of SQL.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::row_function::{Call, Parameter, RowFunction};
use super::text_output::text_of;
use super::value::Value;

/// Words that cannot be an identifier without quotes: PostgreSQL 15's reserved, column-name and type-function keywords.
const KEYWORDS: &str = " all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both \
    case cast char character check coalesce collate collation column concurrently constraint create cross current_catalog \
    current_date current_role current_schema current_time current_timestamp current_user dec decimal default deferrable desc \
    distinct do else end except exists extract false fetch float for foreign freeze from full grant greatest group grouping having \
    ilike in initially inner inout int integer intersect interval into is isnull join lateral leading least left like limit \
    localtime localtimestamp national natural nchar none normalize not notnull null nullif numeric offset on only or order out \
    outer overlaps overlay placing position precision primary real references returning right row select session_user setof \
    similar smallint some substring symmetric table tablesample then time timestamp to trailing treat trim true union unique user \
    using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest \
    xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable ";

/// An identifier, in double quotes if it needs them.
pub fn quoted_identifier(name: &str) -> String {
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !KEYWORDS.contains(&format!(" {name} "));
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A string constant; with a backslash in it, an escape string.
pub fn quoted_literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

pub fn quote_ident() -> ScalarUDF {
    RowFunction::new("quote_ident", &[Parameter::Text], DataType::Utf8, |call| Ok(quoted_identifier(call.text(0)).into())).build()
}

pub fn quote_literal() -> ScalarUDF {
    RowFunction::new("quote_literal", &[Parameter::Any], DataType::Utf8, |call| Ok(literal(call))).build()
}

pub fn quote_nullable() -> ScalarUDF {
    RowFunction::new("quote_nullable", &[Parameter::Any], DataType::Utf8, |call| {
        Ok(if call.arg(0).is_null() { Value::text("NULL") } else { literal(call) })
    })
    .called_on_null()
    .build()
}

fn literal(call: &Call<'_>) -> Value {
    text_of(call.arg(0), call.fields[0].data_type()).map(|text| quoted_literal(&text)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_where_needed() {
        let identifiers = ["a", "_a1", "A", "1a", "a b", "select", "name", "a\"b", ""].map(quoted_identifier);
        assert_eq!(identifiers, ["a", "_a1", "\"A\"", "\"1a\"", "\"a b\"", "\"select\"", "name", "\"a\"\"b\"", "\"\""]);
        assert_eq!(["it's", "a\\b"].map(quoted_literal), ["'it''s'", "E'a\\\\b'"]);
    }
}
