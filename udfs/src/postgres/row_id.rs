//! A number for each row that no other row has, in any process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::Decimal128Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// `arbalest_row_id()` tells the rows of a table apart while a statement runs.
pub const ROW_ID: &str = "arbalest_row_id";
/// A process is told by its upper bits, which must leave a number of 38 digits.
const PROCESS_BITS: u32 = 60;
const TYPE: DataType = DataType::Decimal128(38, 0);

pub(super) fn row_id() -> ScalarUDF {
    ScalarUDF::new_from_impl(RowId { signature: Signature::nullary(Volatility::Volatile) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowId {
    signature: Signature,
}

impl ScalarUDFImpl for RowId {
    fn name(&self) -> &str {
        ROW_ID
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(TYPE)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        static PROCESS: LazyLock<i128> = LazyLock::new(|| i128::from(rand::random::<u64>() >> (u64::BITS - PROCESS_BITS)) << u64::BITS);
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let rows = args.number_rows as u64;
        let first = NEXT.fetch_add(rows, Ordering::Relaxed);
        let ids = (first..first + rows).map(|number| *PROCESS | i128::from(number));
        Ok(ColumnarValue::Array(Arc::new(Decimal128Array::from_iter_values(ids).with_data_type(TYPE))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Array, AsArray};
    use datafusion::arrow::datatypes::{Decimal128Type, Field};
    use datafusion::config::ConfigOptions;
    use std::collections::HashSet;

    #[test]
    fn no_two_rows_have_the_same() {
        let ids = |rows| {
            let args = ScalarFunctionArgs {
                number_rows: rows,
                args: vec![],
                arg_fields: vec![],
                return_field: Arc::new(Field::new("x", TYPE, true)),
                config_options: Arc::new(ConfigOptions::default()),
            };
            row_id().invoke_with_args(args).and_then(|ids| ids.to_array(rows)).expect("numbers")
        };
        let batches = [ids(3), ids(0), ids(5)];
        let all: HashSet<i128> = batches.iter().flat_map(|batch| batch.as_primitive::<Decimal128Type>().values().to_vec()).collect();
        assert_eq!((all.len(), batches[2].len()), (8, 5));
        assert!(all.iter().all(|id| id.to_string().len() <= 38));
    }
}
