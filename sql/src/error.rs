//! What can be wrong with a statement, with the SQLSTATE, detail, hint and position that a client is told.

mod classify;
mod syntax;

use crate::SqlState;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("syntax error at or near \"{near}\"")]
    Syntax { near: String, expected: Option<String>, position: Option<usize> },

    #[error("syntax error at end of input")]
    SyntaxAtEnd { expected: Option<String>, position: Option<usize> },

    #[error("statement is too complex: it is nested more than {depth_max} levels deep")]
    TooDeep { depth_max: usize },

    #[error("relation \"{name}\" does not exist")]
    UndefinedTable { name: String, nearest: Option<String>, position: Option<usize> },

    #[error("column \"{name}\" does not exist")]
    UndefinedColumn { name: String, nearest: Option<String>, position: Option<usize> },

    #[error("function {signature} does not exist")]
    UndefinedFunction { signature: String, hint: Option<String>, position: Option<usize> },

    #[error("database \"{name}\" does not exist")]
    UndefinedDatabase { name: String },

    #[error("schema \"{name}\" does not exist")]
    UndefinedSchema { name: String },

    #[error("unrecognized configuration parameter \"{name}\"")]
    UndefinedSetting { name: String, nearest: Option<String> },

    #[error("invalid value for parameter \"{name}\": \"{value}\"")]
    InvalidSetting { name: String, value: String, hint: Option<String> },

    #[error("parameter \"{name}\" cannot be changed")]
    FixedSetting { name: String },

    #[error("cursor \"{name}\" does not exist")]
    UndefinedCursor { name: String },

    #[error("prepared statement \"{name}\" does not exist")]
    UndefinedPreparedStatement { name: String },

    #[error("prepared statement \"{name}\" already exists")]
    DuplicatePreparedStatement { name: String },

    #[error("{message}")]
    InvalidParameterValue { message: String },

    #[error("the statement has {expected} parameters, but {given} values were given")]
    ParameterCount { expected: usize, given: usize },

    #[error("current transaction is aborted, commands ignored until end of transaction block")]
    InFailedTransaction,

    #[error("{command} can only be used in transaction blocks")]
    NoActiveTransaction { command: &'static str },

    #[error("{command} cannot run inside a transaction block")]
    ActiveTransaction { command: &'static str },

    #[error("savepoint \"{name}\" does not exist")]
    UndefinedSavepoint { name: String },

    #[error("{what} is not supported")]
    Unsupported { what: String, hint: Option<String> },

    #[error("canceling statement due to user request")]
    QueryCanceled,

    #[error("canceling statement due to statement timeout")]
    StatementTimeout,

    /// What DataFusion or the cluster reported, put into a class.
    #[error("{message}")]
    Classified {
        sql_state: SqlState,
        message: String,
        detail: Option<String>,
        hint: Option<String>,
        position: Option<usize>,
    },

    /// A location on the command line that cannot be served.
    #[error("{location}: {message}")]
    Location { location: String, message: String },
}

impl Error {
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into(), hint: None }
    }

    /// The class of the error, for programs.
    pub fn sql_state(&self) -> SqlState {
        match self {
            Self::Syntax { .. } | Self::SyntaxAtEnd { .. } => SqlState::SYNTAX_ERROR,
            Self::TooDeep { .. } => SqlState::STATEMENT_TOO_COMPLEX,
            Self::UndefinedTable { .. } => SqlState::UNDEFINED_TABLE,
            Self::UndefinedColumn { .. } => SqlState::UNDEFINED_COLUMN,
            Self::UndefinedFunction { .. } => SqlState::UNDEFINED_FUNCTION,
            Self::UndefinedDatabase { .. } => SqlState::INVALID_CATALOG_NAME,
            Self::UndefinedSchema { .. } => SqlState::INVALID_SCHEMA_NAME,
            Self::UndefinedSetting { .. } => SqlState::UNDEFINED_OBJECT,
            Self::InvalidSetting { .. } | Self::InvalidParameterValue { .. } => SqlState::INVALID_PARAMETER_VALUE,
            Self::FixedSetting { .. } => SqlState::CANT_CHANGE_RUNTIME_PARAM,
            Self::UndefinedCursor { .. } => SqlState::INVALID_CURSOR_NAME,
            Self::UndefinedPreparedStatement { .. } => SqlState::INVALID_SQL_STATEMENT_NAME,
            Self::DuplicatePreparedStatement { .. } => SqlState::DUPLICATE_PREPARED_STATEMENT,
            Self::ParameterCount { .. } => SqlState::PROTOCOL_VIOLATION,
            Self::InFailedTransaction => SqlState::IN_FAILED_SQL_TRANSACTION,
            Self::NoActiveTransaction { .. } => SqlState::NO_ACTIVE_SQL_TRANSACTION,
            Self::ActiveTransaction { .. } => SqlState::ACTIVE_SQL_TRANSACTION,
            Self::UndefinedSavepoint { .. } => SqlState::INVALID_SAVEPOINT_SPECIFICATION,
            Self::Unsupported { .. } => SqlState::FEATURE_NOT_SUPPORTED,
            Self::QueryCanceled | Self::StatementTimeout => SqlState::QUERY_CANCELED,
            Self::Classified { sql_state, .. } => *sql_state,
            Self::Location { .. } => SqlState::UNDEFINED_FILE,
        }
    }

    /// More facts, for people.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Syntax { expected, .. } | Self::SyntaxAtEnd { expected, .. } => {
                expected.as_ref().map(|expected| format!("Expected {expected}."))
            }
            Self::Classified { detail, .. } => detail.clone(),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UndefinedTable { nearest, .. } => nearest.as_ref().map(|name| format!("Perhaps you meant the table {name}.")),
            Self::UndefinedColumn { nearest, .. } => {
                nearest.as_ref().map(|name| format!("Perhaps you meant the column {name}."))
            }
            Self::UndefinedSetting { nearest, .. } => {
                nearest.as_ref().map(|name| format!("Perhaps you meant the parameter \"{name}\"."))
            }
            Self::UndefinedFunction { hint, .. }
            | Self::InvalidSetting { hint, .. }
            | Self::Unsupported { hint, .. }
            | Self::Classified { hint, .. } => hint.clone(),
            Self::TooDeep { .. } => Some("Split the statement, for instance with WITH.".into()),
            _ => None,
        }
    }

    /// Where in the text given to [`crate::Session::parse`]: 1-based, in characters.
    pub fn position(&self) -> Option<usize> {
        match self {
            Self::Syntax { position, .. }
            | Self::SyntaxAtEnd { position, .. }
            | Self::UndefinedTable { position, .. }
            | Self::UndefinedColumn { position, .. }
            | Self::UndefinedFunction { position, .. }
            | Self::Classified { position, .. } => *position,
            _ => None,
        }
    }
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        classify::engine_error(error)
    }
}

impl From<datafusion::error::DataFusionError> for Error {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        classify::datafusion_error(&error, None)
    }
}

pub(crate) use classify::datafusion_error_in;
pub(crate) use syntax::parser_error;
