//! PostgreSQL functions that DataFusion lacks or spells otherwise; one file a function or a family.

mod array_bounds;
mod array_or_empty;
mod compare_array;
mod encoding;
mod enforce;
mod format;
mod generate_subscripts;
mod json_build;
mod named;
pub mod casts;
pub mod interval_arithmetic;
pub mod pg_type;
mod pg_get_expr;
mod pg_size_pretty;
mod pg_typeof;
pub mod quote;
pub mod row_function;
mod row_id;
mod server_constants;
mod single_value;
pub mod text_output;
pub mod value;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub use array_or_empty::{ARRAY_OR_EMPTY, array_or_empty};
pub use compare_array::{COMPARE_ALL, COMPARE_ANY, compare_all, compare_any};
pub use enforce::{ENFORCE, ENFORCED};
pub use generate_subscripts::{GENERATE_SUBSCRIPTS, PG_EXPANDARRAY};
pub use named::NAMED;
pub use row_id::ROW_ID;
pub use single_value::{SINGLE_VALUE, single_value};

/// Every scalar function of this directory.
pub fn scalar_functions() -> Vec<ScalarUDF> {
    let mut functions = vec![
        casts::round_to_integer(),
        casts::text_output(),
        interval_arithmetic::interval_multiply(),
        interval_arithmetic::interval_divide(),
        array_bounds::array_lower(),
        array_bounds::array_upper(),
        array_or_empty(),
        compare_any(),
        compare_all(),
        encoding::pg_char_to_encoding(),
        encoding::pg_encoding_to_char(),
        encoding::getdatabaseencoding(),
        enforce::enforce(),
        format::format(),
        generate_subscripts::generate_subscripts(),
        generate_subscripts::pg_expandarray(),
        json_build::json_build_object(),
        json_build::row_to_json(),
        named::named(),
        pg_get_expr::pg_get_expr(),
        pg_size_pretty::pg_size_pretty(),
        pg_typeof::pg_typeof(),
        quote::quote_ident(),
        quote::quote_literal(),
        quote::quote_nullable(),
        row_id::row_id(),
    ];
    functions.extend(server_constants::functions());
    functions
}

/// Every aggregate function of this directory.
pub fn aggregate_functions() -> Vec<AggregateUDF> {
    vec![single_value()]
}
