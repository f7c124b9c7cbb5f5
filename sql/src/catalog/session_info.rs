//! What system tables and functions read of the session that asks.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::error::Result;

use super::CatalogSnapshot;

/// Implemented by the session, or by what sessions share with their functions.
pub trait SessionInfo: Debug + Send + Sync {
    fn snapshot(&self) -> Arc<CatalogSnapshot>;

    /// Whose rights the session has now.
    fn role(&self) -> String;

    /// Who the session belongs to.
    fn session_user(&self) -> String;

    /// The schemas that names without one are looked up in, in order, without `pg_catalog`; some may not exist.
    fn search_path(&self) -> Vec<String>;

    /// A setting's value as SHOW prints it; names are case-insensitive.
    fn setting(&self, name: &str) -> Option<String>;

    /// Every setting with its value.
    fn settings(&self) -> Vec<(String, String)>;

    /// `set_config()`; no value is the default; `local` ends with the transaction.
    fn set_setting(&self, name: &str, value: Option<&str>, local: bool) -> Result<()>;

    /// What `pg_backend_pid()` and the cancel key name.
    fn process_id(&self) -> i32;

    /// After `PostgreSQL 15.0 ` in `version()`, such as `(Arbalest 0.1.0)`.
    fn product_version(&self) -> String;

    /// Microseconds since 1970 at which the server started.
    fn server_start(&self) -> i64;

    /// The sessions that this one may see.
    fn activity(&self) -> Vec<Activity>;

    /// `pg_cancel_backend()`: whether there was such a session to cancel.
    fn cancel(&self, process_id: i32) -> Result<bool>;

    /// `pg_terminate_backend()`: whether there was such a session to end.
    fn terminate(&self, process_id: i32) -> Result<bool>;
}

/// One session, for `pg_stat_activity`.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    pub process_id: i32,
    pub user: String,
    pub application_name: String,
    pub client_address: Option<std::net::SocketAddr>,
    /// Microseconds since 1970.
    pub session_start: i64,
    pub query_start: Option<i64>,
    /// `active`, `idle`, `idle in transaction`.
    pub state: &'static str,
    pub query: String,
}
