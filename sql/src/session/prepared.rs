//! A planned statement, ready to run any number of times.

use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::logical_expr::LogicalPlan;
use parking_lot::Mutex;

use crate::parser::Statement;
use crate::session::tables::TableContents;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct PreparedStatement {
    inner: Arc<Prepared>,
}

#[derive(Debug)]
pub(crate) struct Prepared {
    pub statement: Statement,
    pub parameter_types: Vec<Option<DataType>>,
    /// The plan of a query; utility statements have none.
    pub plan: Option<QueryPlan>,
    /// The columns of the result, if there is one.
    pub schema: Option<SchemaRef>,
    pub origins: Vec<Option<ColumnOrigin>>,
}

/// A query planned for this process.
#[derive(Clone, Debug)]
pub(crate) struct QueryPlan {
    pub logical: LogicalPlan,
    /// The catalog it was planned against.
    pub catalog_version: u64,
    /// With whose rights.
    pub role: String,
    /// See [`crate::planner::PlannedQuery::only_catalog`].
    pub only_catalog: bool,
    /// See [`crate::planner::PlannedQuery::tables`].
    pub tables: Vec<(u32, TableContents)>,
    /// When it was made, until it is used, if it is good for that moment only: see
    /// [`crate::planner::PlannedQuery::is_momentary`].
    pub moment: Option<Arc<Mutex<Option<Instant>>>>,
}

/// The moment that a plan is good for which is good for one only.
pub(crate) fn moment(is_momentary: bool) -> Option<Arc<Mutex<Option<Instant>>>> {
    is_momentary.then(|| Arc::new(Mutex::new(Some(Instant::now()))))
}

/// The table column that a result column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnOrigin {
    pub table_oid: u32,
    /// From 1.
    pub attribute: i16,
}

impl PreparedStatement {
    pub(crate) fn new(prepared: Prepared) -> Self {
        Self { inner: Arc::new(prepared) }
    }

    pub(crate) fn inner(&self) -> &Prepared {
        &self.inner
    }

    pub(crate) fn statement(&self) -> &Statement {
        &self.inner.statement
    }

    /// Whether both come from the same call of [`crate::Session::prepare`].
    pub fn is_same(&self, other: &PreparedStatement) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub fn sql(&self) -> &str {
        self.inner.statement.sql()
    }

    /// The types of `$1`, `$2`, …; `None` if neither the client nor the statement says.
    pub fn parameter_types(&self) -> &[Option<DataType>] {
        &self.inner.parameter_types
    }

    /// The schema that the rows will have; `None` for statements without a result set.
    pub fn schema(&self) -> Option<&SchemaRef> {
        self.inner.schema.as_ref()
    }

    /// For each column of the result, the table column it is, unless it was computed.
    pub fn origins(&self) -> &[Option<ColumnOrigin>] {
        &self.inner.origins
    }

    /// The text held no statement.
    pub fn is_empty(&self) -> bool {
        self.inner.statement.is_empty()
    }

    /// `COPY … TO STDOUT`.
    pub fn is_copy_out(&self) -> bool {
        crate::statement::is_copy_out(&self.inner.statement)
    }

    /// `BEGIN`, `COMMIT`, `ROLLBACK` and their like.
    pub fn is_transaction_control(&self) -> bool {
        self.inner.statement.is_transaction_control()
    }
}
