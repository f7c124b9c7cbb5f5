//! `pg_encoding_to_char`, `pg_char_to_encoding`, `getdatabaseencoding`: names and numbers of character encodings.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::row_function::{Parameter, RowFunction};
use super::value::Value;

/// PostgreSQL 15's encodings; the number is the place.
#[rustfmt::skip]
const ENCODINGS: [&str; 42] = [
    "SQL_ASCII", "EUC_JP", "EUC_CN", "EUC_KR", "EUC_TW", "EUC_JIS_2004", "UTF8", "MULE_INTERNAL", "LATIN1", "LATIN2", "LATIN3",
    "LATIN4", "LATIN5", "LATIN6", "LATIN7", "LATIN8", "LATIN9", "LATIN10", "WIN1256", "WIN1258", "WIN866", "WIN874", "KOI8R",
    "WIN1251", "WIN1252", "ISO_8859_5", "ISO_8859_6", "ISO_8859_7", "ISO_8859_8", "WIN1250", "WIN1253", "WIN1254", "WIN1255",
    "WIN1257", "KOI8U", "SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004",
];

pub fn pg_encoding_to_char() -> ScalarUDF {
    RowFunction::new("pg_encoding_to_char", &[Parameter::Int4], DataType::Utf8, |call| {
        let name = usize::try_from(call.int(0)).ok().and_then(|number| ENCODINGS.get(number));
        Ok(Value::text(name.copied().unwrap_or_default()))
    })
    .returns_pg_type(DataType::Utf8, "name")
    .build()
}

pub fn pg_char_to_encoding() -> ScalarUDF {
    RowFunction::new("pg_char_to_encoding", &[Parameter::Text], DataType::Int32, |call| {
        let letters = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        let wanted = match letters(call.text(0)).as_str() {
            "unicode" => "utf8".to_owned(),
            other => other.to_owned(),
        };
        let number = ENCODINGS.iter().position(|name| letters(name) == wanted);
        Ok(Value::Int(number.and_then(|number| i64::try_from(number).ok()).unwrap_or(-1)))
    })
    .build()
}

pub fn getdatabaseencoding() -> ScalarUDF {
    RowFunction::new("getdatabaseencoding", &[], DataType::Utf8, |_| Ok(Value::text("UTF8")))
        .returns_pg_type(DataType::Utf8, "name")
        .build()
}
