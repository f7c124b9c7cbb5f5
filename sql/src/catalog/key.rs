//! Keys and indexes of a table as the catalog keeps them: declared, for clients that ask. Nothing enforces them.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDefinition {
    /// That of the constraint, and of its index.
    pub name: String,
    pub role: KeyRole,
    /// Columns by their names; of an index also expressions.
    pub columns: Vec<String>,
    /// Of a foreign key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<Reference>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRole {
    Primary,
    Unique,
    Foreign,
    Index,
    UniqueIndex,
}

/// What the columns of a foreign key are in another table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    pub schema: String,
    pub table: String,
    pub columns: Vec<String>,
    /// What PostgreSQL would do: `NO ACTION`, `CASCADE`, …
    pub on_update: String,
    pub on_delete: String,
}

impl KeyRole {
    /// Whether it is a constraint, which has a name among those of its table.
    pub fn is_constraint(self) -> bool {
        matches!(self, Self::Primary | Self::Unique | Self::Foreign)
    }

    /// Whether PostgreSQL would have an index for it.
    pub fn has_index(self) -> bool {
        self != Self::Foreign
    }
}
