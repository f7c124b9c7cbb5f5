//! The kinds of values that options share: ports, sizes, durations.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::machine;

/// A port to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Nothing listens.
    Off,
    /// 0 lets the operating system pick one.
    Number(u16),
}

impl Port {
    pub fn number(self) -> Option<u16> {
        match self {
            Self::Off => None,
            Self::Number(number) => Some(number),
        }
    }
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self::Off);
        }
        let number = text.parse().map_err(|_| "a port is a number from 0 to 65535, or off".to_string())?;
        Ok(Self::Number(number))
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// A number of bytes: `4294967296`, `4GiB`, `500 MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "a size is a number of bytes, or a number with a unit such as 512MB or 4GiB".to_string();
        let digits = text.find(|character: char| !(character.is_ascii_digit() || character == '.'));
        let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" => 1_000,
            "kib" | "ki" => 1 << 10,
            "m" | "mb" => 1_000_000,
            "mib" | "mi" => 1 << 20,
            "g" | "gb" => 1_000_000_000,
            "gib" | "gi" => 1 << 30,
            "t" | "tb" => 1_000_000_000_000,
            "tib" | "ti" => 1 << 40,
            _ => return Err(wrong()),
        };
        if let Ok(number) = number.parse::<u64>() {
            return number.checked_mul(factor).map(Self).ok_or_else(wrong);
        }
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let bytes = number * factor as f64;
        // Beyond this a float no longer counts single bytes; nobody means it.
        if bytes < (1u64 << 53) as f64 { Ok(Self(bytes as u64)) } else { Err(wrong()) }
    }
}

/// A length of time: `30s`, `1.5 min`, `250ms`, `2h`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || "a duration is a number of seconds, or a number with a unit such as 500ms, 30s, 5min or 2h".to_string();
    let digits = text.find(|character: char| !(character.is_ascii_digit() || character == '.'));
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let seconds = match unit.trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())
}

/// Below this not even a sort of one batch gets its reservation.
const MEMORY_BYTES_MIN: u64 = 64 << 20;

/// How much memory queries may hold.
pub fn parse_memory(text: &str) -> Result<ByteSize, String> {
    match text.parse()? {
        ByteSize(bytes) if bytes < MEMORY_BYTES_MIN => Err("at least 64MiB are needed to run queries".into()),
        size => Ok(size),
    }
}

/// How much memory queries may hold unless somebody says: what is left of the machine is for results on their way out,
/// decoding buffers, shuffle writers, the catalog and the page cache.
pub fn default_memory_bytes() -> u64 {
    const SHARE: f64 = 0.6;
    ((machine::memory_bytes() as f64 * SHARE) as u64).max(MEMORY_BYTES_MIN)
}

/// How much of remote files is kept in memory unless somebody says, for a process whose queries may hold `memory_bytes`.
pub fn default_cache_bytes(memory_bytes: u64) -> u64 {
    memory_bytes / 16
}

/// A count of which zero makes no sense.
pub fn at_least_one(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(0) => Err("at least one is needed"),
        Ok(count) => Ok(count),
        Err(_) => Err("a whole number is needed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        assert_eq!("5432".parse(), Ok(Port::Number(5432)));
        assert_eq!("0".parse(), Ok(Port::Number(0)));
        assert_eq!("off".parse(), Ok(Port::Off));
        for text in ["65536", "-1", "", "postgres"] {
            assert!(text.parse::<Port>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("512MB", 512_000_000),
            ("4GiB", 4 << 30),
            ("1.5 GiB", 3 << 29),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "GB", "-1", "1.2.3", "4 parsecs", "18446744073709551616", "99999999999999TB", "NaN", "1e9"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, milliseconds) in [("30", 30_000), ("250ms", 250), ("1.5min", 90_000), ("2h", 7_200_000), ("0", 0)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "-1s", "1 week", "inf", "99999999999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
