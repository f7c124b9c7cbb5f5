//! A view as the catalog keeps it.

use arrow::datatypes::Schema;
use serde::{Deserialize, Serialize};

use crate::parser::Dialect;

/// A view: its text, which is planned when it is used, and what it was when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewDefinition {
    pub query: String,
    pub dialect: Dialect,
    /// The schemas in which names of `query` without one are looked up.
    pub search_path: Vec<String>,
    pub columns: Schema,
    /// What the columns of `query` were called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// Oids of the tables and views that `query` names.
    pub depends_on: Vec<u32>,
    /// The schemas and names of those, by which the view reads them: another table of the name takes the place of one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}
