//! The SQL functions we add to DataFusion's. Pure: no network, no file, nothing of the other crates.

pub mod arithmetic;
pub mod postgres;
mod text;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

/// Every scalar function of this crate.
pub fn scalar_functions() -> Vec<ScalarUDF> {
    let mut functions = vec![text::levenshtein_ratio::levenshtein_ratio()];
    functions.extend(arithmetic::checked::Operation::ALL.map(arithmetic::checked::checked));
    functions.extend(postgres::scalar_functions());
    functions
}

/// Every aggregate function of this crate. `sum` takes the place of DataFusion's.
pub fn aggregate_functions() -> Vec<AggregateUDF> {
    let mut functions = vec![arithmetic::sum()];
    functions.extend(postgres::aggregate_functions());
    functions
}
