//! The SQL functions we add to DataFusion's. Pure: no network, no file, nothing of the other crates.

mod text;

use datafusion::logical_expr::ScalarUDF;

/// Every scalar function of this crate.
pub fn scalar_functions() -> Vec<ScalarUDF> {
    vec![text::levenshtein_ratio::levenshtein_ratio()]
}
