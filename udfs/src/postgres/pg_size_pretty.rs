//! `pg_size_pretty(bytes)`: `8192 bytes`, `10 kB`, `23 GB`.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::row_function::{Parameter, RowFunction};

pub fn pg_size_pretty() -> ScalarUDF {
    RowFunction::new("pg_size_pretty", &[Parameter::Int8], DataType::Utf8, |call| Ok(pretty(call.int(0)).into())).build()
}

/// The largest unit in which the number, rounded half away from zero, has at least two digits: PostgreSQL's rule.
fn pretty(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes.unsigned_abs() < 10 * 1024 {
        return format!("{bytes} bytes");
    }
    // Twice the number of units, so that the last halving can round.
    let mut halves = i128::from(bytes) / 512;
    for (index, unit) in UNITS.iter().enumerate() {
        if halves.abs() < 2 * 10 * 1024 - 1 || index + 1 == UNITS.len() {
            let rounded = (halves + halves.signum()) / 2;
            return format!("{rounded} {unit}");
        }
        halves /= 1024;
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::pretty;

    #[test]
    fn as_postgresql() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (10239, "10239 bytes"),
            (10240, "10 kB"),
            (10485247, "10239 kB"),
            (10485248, "10 MB"),
            (1_500_000_000, "1431 MB"),
            (-10240, "-10 kB"),
            (i64::MAX, "8192 PB"),
        ] {
            assert_eq!(pretty(bytes), text, "{bytes}");
        }
    }
}
