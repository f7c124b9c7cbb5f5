//! Delta Lake tables: their versions, the files of each, and commits. `deltalake` keeps the log; what reads and writes the
//! files are plans of ours, which the cluster can run.

mod commit;
mod data_file;
mod file_statistics;
mod history;
mod joint_commit;
mod layout;
mod ledger;
mod provider;
mod read;
mod vacuum;
mod version;

pub use commit::{CommitError, Operation, TableChanges};
pub use data_file::{DataFile, NewFile};
pub(crate) use file_statistics::to_json as statistics_json;
pub use history::{HistoryEntry, Moment};
pub use joint_commit::{JointCommit, Journal};
pub use layout::{storable_type, without_views};
pub use ledger::ReadPoint;
pub use provider::{DeltaScan, FILE_COLUMN};
pub use read::ReadFor;
pub use version::{DeltaTables, TableVersion};
