//! The SQL functions we add to DataFusion's. Pure: no network, no file, nothing of the other crates.

pub mod postgres;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

/// Every scalar function of this crate.
pub fn scalar_functions() -> Vec<ScalarUDF> {
    postgres::scalar_functions()
}

/// Every aggregate function of this crate.
pub fn aggregate_functions() -> Vec<AggregateUDF> {
    postgres::aggregate_functions()
}
