//! The SQL that a session speaks.

mod alter_view;
mod bounded;
mod call;
mod external_table;
mod named_columns;
mod refresh;
mod role;
mod secret;
mod time_travel;

use serde::{Deserialize, Serialize};

use bounded::BoundedPostgres;
pub(crate) use external_table::FORMAT;
pub(crate) use refresh::REFRESH_MATERIALIZED_VIEW;
pub(crate) use time_travel::{RESTORE_TABLE, TABLE_HISTORY};

/// Chosen by the front end when it opens a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// PostgreSQL's grammar and meaning.
    Postgres,
    /// PostgreSQL's grammar with DataFusion's names and meaning: Flight SQL.
    Generic,
}

impl Dialect {
    /// The grammar for one text.
    pub(crate) fn grammar(self, text: &str) -> BoundedPostgres {
        match self {
            Self::Postgres | Self::Generic => BoundedPostgres::new(text),
        }
    }
}
