//! Rows → files of a table: a plan that writes the rows of another, and says which files it has made.
//!
//! Each task writes files of its own, under names that nobody else uses, and reports them when all are complete. Nobody sees
//! them before they are committed, so that a task that failed or ran twice does no harm.

mod exec;
mod file_copy;
mod file_writer;
mod node;
mod partitions;

pub use exec::SortColumn;
pub(crate) use exec::WriteExec;
#[cfg(test)]
pub(crate) use exec::WriteTarget;
pub(crate) use node::query_planner;
pub use file_copy::write_file;
pub use node::write;
pub(crate) use partitions::FILE_BYTES_MAX;
