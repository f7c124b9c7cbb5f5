//! The SQL that a session speaks.

use datafusion::sql::sqlparser::dialect::{Dialect as ParserDialect, PostgreSqlDialect};

/// Chosen by the front end when it opens a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// PostgreSQL's grammar and meaning.
    Postgres,
    /// PostgreSQL's grammar with DataFusion's names and meaning: Flight SQL.
    Generic,
}

impl Dialect {
    pub(crate) fn parser_dialect(self) -> Box<dyn ParserDialect> {
        match self {
            Self::Postgres | Self::Generic => Box::new(PostgreSqlDialect {}),
        }
    }
}
