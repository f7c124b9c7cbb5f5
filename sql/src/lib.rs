//! What a statement means: SQL text in, a stream of record batches out. No sockets, no wire protocols.
//!
//! A front end opens a [`Session`] from [`Sessions`], parses text with [`Session::parse`], prepares and executes each
//! [`Statement`], and turns the [`Response`] into its protocol. Nothing else of this crate is for front ends.

pub mod bytea;
pub mod catalog;
mod error;
pub mod interval;
mod metrics;
mod parser;
mod planner;
mod privileges;
mod response;
mod session;
mod sessions;
mod sql_state;
mod statement;

pub use datafusion::common::ScalarValue;
pub use error::{Error, Result};
pub use parser::{Dialect, Statement};
pub use response::{CopyFormat, CopyIn, CopyOptions, Notice, Response, Rows, Severity};
pub use session::prepared::{ColumnOrigin, PreparedStatement};
pub use session::{Session, SessionId, TransactionStatus};
pub use sessions::{CancelKey, SessionOptions, Sessions, SqlConfig};
pub use sql_state::SqlState;
