//! The layer of the `--config` file: flat TOML, `key = value`.

use std::path::Path;

use toml::Value;

use super::error::{self, Error};
use super::keys::{Key, Keys};

/// Reads and checks every key of the file.
pub(super) fn read(keys: &Keys, path: &Path) -> Result<Vec<(Key, Vec<String>)>, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::ReadFile { path: path.into(), source })?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        Error::FileSyntax { path: path.into(), line, message: error.message().trim_end_matches('.').into() }
    })?;
    let mut values = Vec::with_capacity(table.len());
    for (name, value) in table {
        let Some(key) = keys.find(&name) else {
            let nearest = error::nearest(&name, keys.names().map(str::to_owned));
            return Err(Error::UnknownKey { path: path.into(), name, nearest });
        };
        let place = || format!("\"{name}\" in \"{}\"", path.display());
        let texts = match value {
            Value::Array(items) if key.list => items.iter().map(text_of).collect(),
            value => text_of(&value).map(|text| vec![text]),
        };
        let Some(texts) = texts else {
            let expected = if key.list { "one value or an array of values" } else { "one value" };
            return Err(Error::FileValue { place: place(), expected });
        };
        keys.check(key, &texts).map_err(|error| error::invalid_value(&error, &texts, place()))?;
        values.push((key.clone(), texts));
    }
    Ok(values)
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}
