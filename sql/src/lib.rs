//! What a statement means: SQL text in, a stream of record batches out. No sockets, no wire protocols.

mod sql_state;

pub use sql_state::SqlState;
