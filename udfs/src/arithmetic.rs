//! Integer arithmetic that fails where DataFusion's operators wrap around.

pub mod checked;
