//! What a statement means: SQL text in, a stream of record batches out. No sockets, no wire protocols.

pub mod catalog;
pub mod planner;
mod sql_state;

pub use sql_state::SqlState;
