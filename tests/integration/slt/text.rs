//! How a value is written in a script: as PostgreSQL prints it, `NULL`, and `(empty)` for the empty string.

/// Column types are not compared: a script's answers are text, and tests of the front ends look at types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnType(char);

impl ColumnType {
    pub const ANY: ColumnType = ColumnType('T');
}

impl sqllogictest::ColumnType for ColumnType {
    fn from_char(value: char) -> Option<Self> {
        Some(Self(value))
    }

    fn to_char(&self) -> char {
        self.0
    }
}

pub fn cell(value: Option<String>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some(text) if text.is_empty() => "(empty)".to_owned(),
        // A record's rows are lines.
        Some(text) => text.replace('\n', "\\n"),
    }
}

/// float8 as PostgreSQL prints it: the shortest digits that read back equal, with an exponent outside 1e-4 … 1e15.
pub fn float8(value: f64) -> String {
    float(value, format!("{value:e}"), 15)
}

/// float4 likewise; the exponent appears from 1e6.
pub fn float4(value: f32) -> String {
    float(f64::from(value), format!("{value:e}"), 6)
}

fn float(value: f64, shortest: String, digits_max: i32) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let (mantissa, exponent) = shortest.split_once('e').expect("a number in scientific notation");
    let exponent: i32 = exponent.parse().expect("an exponent");
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if value != 0.0 && !(-4..digits_max).contains(&exponent) {
        let fraction = if digits.len() > 1 { format!(".{}", &digits[1..]) } else { String::new() };
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{}{fraction}e{exponent_sign}{:02}", &digits[..1], exponent.abs());
    }
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    }
    let whole_digits = exponent as usize + 1;
    if digits.len() <= whole_digits {
        format!("{sign}{digits}{}", "0".repeat(whole_digits - digits.len()))
    } else {
        format!("{sign}{}.{}", &digits[..whole_digits], &digits[whole_digits..])
    }
}

/// Days since 1970-01-01.
pub fn date(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    if year > 0 { format!("{year:04}-{month:02}-{day:02}") } else { format!("{:04}-{month:02}-{day:02} BC", 1 - year) }
}

/// Microseconds since midnight.
pub fn time(microseconds: i64) -> String {
    let seconds = microseconds.div_euclid(1_000_000);
    let fraction = fraction(microseconds.rem_euclid(1_000_000));
    format!("{:02}:{:02}:{:02}{fraction}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Microseconds since 1970-01-01.
pub fn timestamp(microseconds: i64) -> String {
    const DAY: i64 = 86_400_000_000;
    let date = date(microseconds.div_euclid(DAY));
    let time = time(microseconds.rem_euclid(DAY));
    match date.strip_suffix(" BC") {
        Some(date) => format!("{date} {time} BC"),
        None => format!("{date} {time}"),
    }
}

/// An interval in PostgreSQL's own style.
pub fn interval(months: i32, days: i32, microseconds: i64) -> String {
    let mut words = vec![];
    let mut negative_before = false;
    let mut unit = |value: i32, singular: &str, plural: &str| {
        if value != 0 {
            let sign = if negative_before && value > 0 { "+" } else { "" };
            words.push(format!("{sign}{value} {}", if value == 1 { singular } else { plural }));
            negative_before = value < 0;
        }
    };
    unit(months / 12, "year", "years");
    unit(months % 12, "mon", "mons");
    unit(days, "day", "days");
    if microseconds != 0 || words.is_empty() {
        let sign = match microseconds < 0 {
            true => "-",
            false if negative_before => "+",
            false => "",
        };
        let magnitude = microseconds.unsigned_abs() as i64;
        let seconds = magnitude / 1_000_000;
        words.push(format!(
            "{sign}{:02}:{:02}:{:02}{}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            fraction(magnitude % 1_000_000)
        ));
    }
    words.join(" ")
}

pub fn bytea(bytes: &[u8]) -> String {
    bytes.iter().fold("\\x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

pub fn boolean(value: bool) -> String {
    if value { "t" } else { "f" }.to_owned()
}

/// An array literal of elements that are already text.
pub fn array(elements: impl IntoIterator<Item = Option<String>>) -> String {
    let elements: Vec<String> = elements.into_iter().map(array_element).collect();
    format!("{{{}}}", elements.join(","))
}

fn array_element(element: Option<String>) -> String {
    let Some(text) = element else { return "NULL".to_owned() };
    let special = |c: char| c.is_whitespace() || "{},\"\\".contains(c);
    if text.is_empty() || text.eq_ignore_ascii_case("null") || text.contains(special) {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        text
    }
}

fn fraction(microseconds: i64) -> String {
    match microseconds {
        0 => String::new(),
        _ => format!(".{microseconds:06}").trim_end_matches('0').to_owned(),
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
/// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}
