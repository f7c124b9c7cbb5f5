//! How the sample's Parquet files are laid out, for scans on a few cores.

use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::table::Table;

/// Rows in a file: a large table is many files, which tasks share out among them.
const FILE_ROWS: u64 = 1_500_000;
/// A scan is split at row groups, within a file too. A whole number of batches: what is left over of a row group would have
/// to be copied to fill up the next batch.
const ROW_GROUP_ROWS: usize = 30 * engine::BATCH_ROWS;

/// Into how many files a table of so many rows is cut.
pub(super) fn file_count(rows: u64) -> i32 {
    i32::try_from(rows.div_ceil(FILE_ROWS)).unwrap_or(i32::MAX)
}

pub(super) fn options(table: Table) -> ArrowWriterOptions {
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("arbalest {}", process::build_info::VERSION))
        // From memory or a fast disk, pages are read in less time than they are decompressed: TPC-H takes a fifth longer with
        // LZ4, which makes the files half as large.
        .set_compression(Compression::UNCOMPRESSED)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Page)
        // A dictionary that overflows costs the writer and gives the reader nothing.
        .set_dictionary_enabled(false);
    for column in few_values(table) {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(*column), true);
    }
    // Without the Arrow schema in it: a reader of Parquet decides itself which string type it wants.
    ArrowWriterOptions::new().with_properties(properties.build()).with_skip_arrow_metadata(true)
}

/// Columns with so few values that a dictionary pays.
fn few_values(table: Table) -> &'static [&'static str] {
    match table {
        Table::Lineitem => &[
            "l_linenumber",
            "l_quantity",
            "l_discount",
            "l_tax",
            "l_returnflag",
            "l_linestatus",
            "l_shipdate",
            "l_commitdate",
            "l_receiptdate",
            "l_shipinstruct",
            "l_shipmode",
        ],
        Table::Orders => &["o_orderstatus", "o_orderdate", "o_orderpriority", "o_clerk", "o_shippriority"],
        Table::Partsupp => &["ps_availqty"],
        Table::Customer => &["c_nationkey", "c_mktsegment"],
        Table::Part => &["p_mfgr", "p_brand", "p_type", "p_size", "p_container"],
        Table::Supplier => &["s_nationkey"],
        Table::Nation | Table::Region => &[],
    }
}
