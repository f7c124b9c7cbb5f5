//! The SQL functions we add to DataFusion's. Pure: no network, no file, nothing of the other crates.

pub mod arithmetic;
mod text;

use datafusion::logical_expr::ScalarUDF;

/// Every scalar function of this crate.
pub fn scalar_functions() -> Vec<ScalarUDF> {
    let mut functions = vec![text::levenshtein_ratio::levenshtein_ratio()];
    functions.extend(arithmetic::checked::Operation::ALL.map(arithmetic::checked::checked));
    functions
}
