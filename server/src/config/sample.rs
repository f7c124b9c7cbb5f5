//! `--sample tpch[=SCALE]`.

use std::str::FromStr;

/// Below this some tables would be empty, and the generator does not expect it.
const SCALE_MIN: f64 = 0.001;
/// The largest scale the TPC-H specification defines.
const SCALE_MAX: f64 = 100_000.0;

/// TPC-H tables of a scale that was checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleConfig {
    scale: f64,
}

impl SampleConfig {
    /// 1 is about 1 GB as text: 6 million rows in `lineitem`.
    pub fn scale(self) -> f64 {
        self.scale
    }
}

impl FromStr for SampleConfig {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let scale = match text.split_once('=') {
            None if text == "tpch" => return Ok(Self { scale: 1.0 }),
            Some(("tpch", scale)) => scale,
            _ => return Err("the sample is tpch or tpch=SCALE"),
        };
        scale
            .parse()
            .ok()
            .filter(|scale| (SCALE_MIN..=SCALE_MAX).contains(scale))
            .map(|scale| Self { scale })
            .ok_or("a scale is a number from 0.001 to 100000, as in tpch=0.1")
    }
}
