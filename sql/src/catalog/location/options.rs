//! `header`, `delimiter` and their like: how files are written that do not say it themselves.

use engine::table_format::{FileKind, FileOptions};

use crate::error::{Error, Result};

/// The options of `given`, whose keys are compared without case. Fails for a key that is not known and a value that it cannot
/// have.
pub(crate) fn file_options<'a>(given: impl IntoIterator<Item = (&'a str, String)>) -> Result<FileOptions> {
    let mut options = FileOptions::default();
    for (key, value) in given {
        let name = key.to_ascii_lowercase();
        // DataFusion's names have a prefix.
        match name.strip_prefix("format.").unwrap_or(&name) {
            "delimiter" | "delim" | "sep" => options.delimiter = Some(byte(key, &value)?),
            "quote" => options.quote = Some(byte(key, &value)?),
            "escape" => options.escape = Some(byte(key, &value)?),
            "header" | "has_header" => options.header = Some(truth(key, &value)?),
            "columns" => {
                let wrong = |_| Error::InvalidParameterValue { message: format!("option \"{key}\" must be a number of columns") };
                options.width = Some(value.parse().map_err(wrong)?);
            }
            "all_varchar" | "all_text" => options.all_text = truth(key, &value)?,
            _ => {
                let known = "delimiter, quote, escape, header, columns and all_text";
                return Err(Error::InvalidParameterValue { message: format!("unknown option \"{key}\" of files; known are {known}") });
            }
        }
    }
    Ok(options)
}

/// The kind of files that is called `name`.
pub(crate) fn file_kind(name: &str) -> Result<FileKind> {
    let unknown = || Error::InvalidParameterValue {
        message: format!("unknown format \"{name}\" of files; known are parquet, csv, tsv, json, arrow, avro and delta"),
    };
    FileKind::of_suffix(name).ok_or_else(unknown)
}

fn byte(key: &str, value: &str) -> Result<u8> {
    let value = if value == "\\t" { "\t" } else { value };
    match value.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(Error::InvalidParameterValue { message: format!("option \"{key}\" must be a single one-byte character") }),
    }
}

fn truth(key: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "on" | "1" | "yes" => Ok(true),
        "false" | "off" | "0" | "no" => Ok(false),
        _ => Err(Error::InvalidParameterValue { message: format!("option \"{key}\" must be true or false, not \"{value}\"") }),
    }
}
