//! The eight tables of TPC-H and their generators.

use arrow::record_batch::RecordBatchReader;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow, SupplierArrow,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Lineitem,
    Orders,
    Partsupp,
    Customer,
    Part,
    Supplier,
    Nation,
    Region,
}

impl Table {
    /// The largest first, so that no thread starts a large one when the others are done.
    pub(super) const ALL: [Self; 8] = [
        Self::Lineitem,
        Self::Orders,
        Self::Partsupp,
        Self::Customer,
        Self::Part,
        Self::Supplier,
        Self::Nation,
        Self::Region,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lineitem => "lineitem",
            Self::Orders => "orders",
            Self::Partsupp => "partsupp",
            Self::Customer => "customer",
            Self::Part => "part",
            Self::Supplier => "supplier",
            Self::Nation => "nation",
            Self::Region => "region",
        }
    }

    /// How many rows it has at this scale; of `lineitem`, about.
    pub(super) fn rows(self, scale: f64) -> u64 {
        let rows = match self {
            // An order has 1 to 7 line items.
            Self::Lineitem => 4 * OrderGenerator::calculate_row_count(scale, 1, 1),
            Self::Orders => OrderGenerator::calculate_row_count(scale, 1, 1),
            // A part has 4 suppliers; the generator counts parts.
            Self::Partsupp => 4 * PartSuppGenerator::calculate_row_count(scale, 1, 1),
            Self::Customer => CustomerGenerator::calculate_row_count(scale, 1, 1),
            Self::Part => PartGenerator::calculate_row_count(scale, 1, 1),
            Self::Supplier => SupplierGenerator::calculate_row_count(scale, 1, 1),
            Self::Nation => 25,
            Self::Region => 5,
        };
        rows.unsigned_abs()
    }

    /// The rows of one of `count` parts, the first being 1, in the order of the table's key.
    pub(super) fn batches(self, scale: f64, part: i32, count: i32) -> Box<dyn RecordBatchReader> {
        match self {
            Self::Lineitem => Box::new(LineItemArrow::new(LineItemGenerator::new(scale, part, count))),
            Self::Orders => Box::new(OrderArrow::new(OrderGenerator::new(scale, part, count))),
            Self::Partsupp => Box::new(PartSuppArrow::new(PartSuppGenerator::new(scale, part, count))),
            Self::Customer => Box::new(CustomerArrow::new(CustomerGenerator::new(scale, part, count))),
            Self::Part => Box::new(PartArrow::new(PartGenerator::new(scale, part, count))),
            Self::Supplier => Box::new(SupplierArrow::new(SupplierGenerator::new(scale, part, count))),
            Self::Nation => Box::new(NationArrow::new(NationGenerator::new(scale, part, count))),
            Self::Region => Box::new(RegionArrow::new(RegionGenerator::new(scale, part, count))),
        }
    }
}
