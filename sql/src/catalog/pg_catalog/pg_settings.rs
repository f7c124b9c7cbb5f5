//! `pg_settings`: the session's settings, described as PostgreSQL describes its own.

use std::collections::HashMap;

use udfs::postgres::value::Value;

use super::{Rows, Source, data};

pub(super) fn fill(rows: &mut Rows, source: &Source<'_>) {
    let described = descriptions();
    let mut settings = source.session.settings();
    settings.sort_by_key(|(name, _)| name.to_lowercase());
    for (name, value) in settings {
        let description = described.get(name.to_lowercase().as_str());
        let field = |column| description.and_then(|fields| fields.get(column).copied().flatten());
        let value = match field("unit") {
            Some(unit) => in_unit(&value, unit),
            None => value,
        };
        let boot = field("boot_val").map(str::to_owned).unwrap_or_else(|| value.clone());
        let source_name = if boot == value { "default" } else { "session" };
        rows.push(&[
            ("name", name.as_str().into()),
            ("setting", value.as_str().into()),
            ("unit", field("unit").into()),
            ("category", field("category").unwrap_or("Customized Options").into()),
            ("short_desc", field("short_desc").into()),
            ("context", field("context").unwrap_or("user").into()),
            ("vartype", field("vartype").unwrap_or("string").into()),
            ("source", source_name.into()),
            ("min_val", field("min_val").into()),
            ("max_val", field("max_val").into()),
            ("enumvals", data::value(field("enumvals"), "_text")),
            ("boot_val", boot.as_str().into()),
            ("reset_val", boot.as_str().into()),
            ("pending_restart", Value::Bool(false)),
        ]);
    }
}

type Fields = HashMap<&'static str, Option<&'static str>>;

fn descriptions() -> HashMap<String, Fields> {
    let Some(dump) = data::dump("pg_settings") else { return HashMap::new() };
    dump.rows
        .iter()
        .map(|row| {
            let fields: Fields = dump.columns.iter().copied().zip(row.iter().map(Option::as_deref)).collect();
            (fields.get("name").copied().flatten().unwrap_or_default().to_lowercase(), fields)
        })
        .collect()
}

/// `5s` in `ms` is `5000`; a number without a unit is in the setting's own.
fn in_unit(value: &str, unit: &str) -> String {
    let split = value.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(value.len());
    let (number, given) = (value[..split].trim(), &value[split..]);
    let (Ok(number), Some(given), Some(unit)) = (number.parse::<i64>(), size(given), size(unit)) else { return value.to_owned() };
    number.saturating_mul(given).checked_div(unit).map_or_else(|| value.to_owned(), |number| number.to_string())
}

/// Milliseconds or bytes of a unit.
fn size(unit: &str) -> Option<i64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "B" => 1,
        "kB" => 1 << 10,
        "8kB" => 8 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::in_unit;

    #[test]
    fn units() {
        assert_eq!(in_unit("5s", "ms"), "5000");
        assert_eq!(in_unit("4MB", "kB"), "4096");
        assert_eq!(in_unit("128MB", "8kB"), "16384");
        assert_eq!(in_unit("0", "ms"), "0");
    }
}
