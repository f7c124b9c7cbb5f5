//! What can be wrong with a statement, with the SQLSTATE, detail, hint and position that a client is told.

mod classify;
mod syntax;

use crate::SqlState;
use crate::catalog::store::StoreError;

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

    #[error("cannot execute {command} in a read-only transaction")]
    ReadOnlyTransaction { command: &'static str },

    #[error("savepoint \"{name}\" does not exist")]
    UndefinedSavepoint { name: String },

    #[error("role \"{name}\" does not exist")]
    UndefinedRole { name: String },

    #[error("secret \"{name}\" does not exist")]
    UndefinedSecret { name: String },

    #[error("improper qualified name (too many dotted names): {name}")]
    ImproperName { name: String },

    #[error("no schema has been selected to create in")]
    NoSchema,

    #[error("permission denied to create \"{schema}.{relation}\"")]
    SystemSchema { schema: String, relation: String },

    #[error("relation \"{name}\" already exists")]
    DuplicateRelation { name: String },

    /// Something of another kind has this name.
    #[error("\"{name}\" is not a {expected}")]
    WrongRelation { name: String, expected: &'static str, hint: Option<&'static str> },

    /// In DDL, which says what it looked for.
    #[error("{kind} \"{name}\" does not exist")]
    UndefinedRelation { kind: &'static str, name: String },

    #[error("there is no parameter ${number}")]
    UndefinedParameter { number: usize },

    #[error("CREATE VIEW specifies more column names than columns")]
    TooManyColumnNames,

    #[error("column \"{name}\" specified more than once")]
    DuplicateColumn { name: String },

    /// CREATE OR REPLACE VIEW with other columns.
    #[error("{message}")]
    ChangedView { message: String },

    #[error("infinite recursion detected in rules for relation \"{name}\"")]
    RecursiveView { name: String },

    #[error("the columns of view \"{name}\" are not those of its query any more")]
    OutdatedView { name: String },

    #[error("schema \"{name}\" already exists")]
    DuplicateSchema { name: String },

    #[error("unacceptable schema name \"{name}\"")]
    ReservedSchemaName { name: String },

    #[error("cannot drop {what} because other objects depend on it")]
    Dependents { what: String, dependents: Vec<String> },

    /// `what`: a schema that PostgreSQL would have made at initdb.
    #[error("cannot drop {what} because it is required by the database system")]
    Required { what: String },

    #[error("cannot drop table {table}: it is served from a location that the server was told")]
    Served { table: String },

    /// INSERT, UPDATE, DELETE and their like.
    #[error("cannot {action} {kind} \"{name}\"")]
    Unwritable { action: &'static str, kind: &'static str, name: String },

    #[error("column \"{column}\" of relation \"{relation}\" does not exist")]
    UndefinedColumnOf { column: String, relation: String },

    #[error("column \"{column}\" of relation \"{relation}\" already exists")]
    DuplicateColumnOf { column: String, relation: String },

    #[error("constraint \"{constraint}\" of relation \"{relation}\" does not exist")]
    UndefinedConstraint { constraint: String, relation: String },

    #[error("constraint \"{constraint}\" for relation \"{relation}\" already exists")]
    DuplicateConstraint { constraint: String, relation: String },

    /// A value for a column of another type.
    #[error("column \"{column}\" is of type {expected} but expression is of type {given}")]
    WrongType { column: String, expected: String, given: String },

    #[error("the columns of table \"{name}\" are not those of its files")]
    OutdatedTable { name: String },

    #[error("INSERT has more {more} than {fewer}")]
    InsertWidth { more: &'static str, fewer: &'static str },

    /// No table keeps values of this type.
    #[error("column \"{column}\" has type {data_type}, which a table cannot keep")]
    UnstorableType { column: String, data_type: String },

    #[error("could not serialize access due to concurrent update")]
    SerializationFailure,

    #[error("the catalog cannot be used: {0}")]
    CatalogStore(StoreError),

    #[error("{what} is not supported")]
    Unsupported { what: String, hint: Option<String> },

    /// The columns of a prepared query are others than they were.
    #[error("cached plan must not change result type")]
    StalePlan,

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

    /// Something that this program has got wrong.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        let (sql_state, message) = (SqlState::INTERNAL_ERROR, message.into());
        Self::Classified { sql_state, message, detail: None, hint: None, position: None }
    }

    /// An error of a class that has no case of its own.
    pub(crate) fn classified(sql_state: SqlState, message: impl Into<String>) -> Self {
        Self::Classified { sql_state, message: message.into(), detail: None, hint: None, position: None }
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
            Self::ReadOnlyTransaction { .. } => SqlState::READ_ONLY_SQL_TRANSACTION,
            Self::UndefinedSavepoint { .. } => SqlState::INVALID_SAVEPOINT_SPECIFICATION,
            Self::NoSchema => SqlState::INVALID_SCHEMA_NAME,
            Self::SystemSchema { .. } => SqlState::INSUFFICIENT_PRIVILEGE,
            Self::DuplicateRelation { .. } => SqlState::DUPLICATE_TABLE,
            Self::WrongRelation { .. } => SqlState::WRONG_OBJECT_TYPE,
            Self::UndefinedRelation { kind: "index", .. } => SqlState::UNDEFINED_OBJECT,
            Self::UndefinedRelation { .. } => SqlState::UNDEFINED_TABLE,
            Self::UndefinedParameter { .. } => SqlState::UNDEFINED_PARAMETER,
            Self::TooManyColumnNames => SqlState::SYNTAX_ERROR,
            Self::DuplicateColumn { .. } => SqlState::DUPLICATE_COLUMN,
            Self::ChangedView { .. } => SqlState::INVALID_TABLE_DEFINITION,
            Self::RecursiveView { .. } => SqlState::INVALID_OBJECT_DEFINITION,
            Self::OutdatedView { .. } => SqlState::UNDEFINED_COLUMN,
            Self::UndefinedRole { .. } | Self::UndefinedSecret { .. } => SqlState::UNDEFINED_OBJECT,
            Self::ImproperName { .. } => SqlState::SYNTAX_ERROR,
            Self::DuplicateSchema { .. } => SqlState::DUPLICATE_SCHEMA,
            Self::ReservedSchemaName { .. } => SqlState::RESERVED_NAME,
            Self::Dependents { .. } | Self::Required { .. } => SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
            Self::Served { .. } => SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            Self::SerializationFailure => SqlState::SERIALIZATION_FAILURE,
            Self::Unwritable { .. } => SqlState::WRONG_OBJECT_TYPE,
            Self::UndefinedColumnOf { .. } => SqlState::UNDEFINED_COLUMN,
            Self::DuplicateColumnOf { .. } => SqlState::DUPLICATE_COLUMN,
            Self::UndefinedConstraint { .. } => SqlState::UNDEFINED_OBJECT,
            Self::DuplicateConstraint { .. } => SqlState::DUPLICATE_OBJECT,
            Self::WrongType { .. } => SqlState::DATATYPE_MISMATCH,
            Self::InsertWidth { .. } => SqlState::SYNTAX_ERROR,
            Self::OutdatedTable { .. } => SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            Self::UnstorableType { .. } => SqlState::FEATURE_NOT_SUPPORTED,
            Self::CatalogStore(_) => SqlState::IO_ERROR,
            Self::Unsupported { .. } | Self::StalePlan => SqlState::FEATURE_NOT_SUPPORTED,
            Self::QueryCanceled | Self::StatementTimeout => SqlState::QUERY_CANCELED,
            Self::Classified { sql_state, .. } => *sql_state,
            Self::Location { .. } => SqlState::UNDEFINED_FILE,
        }
    }

    /// Whether what the statement was to do may be done all the same.
    pub(crate) fn may_be_made(&self) -> bool {
        matches!(self, Self::CatalogStore(_)) || self.sql_state() == SqlState::STATEMENT_COMPLETION_UNKNOWN
    }

    /// More facts, for people.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Syntax { expected, .. } | Self::SyntaxAtEnd { expected, .. } => {
                expected.as_ref().map(|expected| format!("Expected {expected}."))
            }
            Self::SystemSchema { .. } => Some("System catalog modifications are currently disallowed.".into()),
            Self::ReservedSchemaName { .. } => Some("The prefix \"pg_\" is reserved for system schemas.".into()),
            Self::Dependents { dependents, .. } => Some(dependents.join("\n")),
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
            Self::Dependents { .. } => Some("Use DROP ... CASCADE to drop the dependent objects too.".into()),
            Self::WrongRelation { hint, .. } => hint.map(str::to_owned),
            Self::OutdatedView { .. } => Some("Make it again with CREATE OR REPLACE VIEW.".into()),
            Self::Served { .. } => Some("Start the server without this location.".into()),
            Self::OutdatedTable { .. } => Some("Another program has changed them. Make a table of its rows with CREATE TABLE AS.".into()),
            Self::WrongType { .. } => Some("You will need to rewrite or cast the expression.".into()),
            Self::Unwritable { kind: "table", .. } => {
                Some("It is served from a location. Make a table of its rows with CREATE TABLE AS.".into())
            }
            Self::SerializationFailure => Some("Run the transaction again.".into()),
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

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::SerializationFailure,
            error => Self::CatalogStore(error),
        }
    }
}

impl From<datafusion::error::DataFusionError> for Error {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        classify::datafusion_error(&error, None)
    }
}

pub(crate) use classify::datafusion_error_in;
pub(crate) use syntax::parser_error;
