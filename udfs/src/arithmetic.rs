//! Arithmetic that fails where DataFusion's wraps around or yields infinity.

pub mod checked;
mod sum;

pub use sum::sum;
