//! A table over files that somebody else keeps, as the catalog keeps it.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema};
use datafusion::catalog::TableProvider;
use datafusion::execution::session_state::SessionState;
use engine::table_format::{FileKind, FileName, FileOptions, FileTable, TableFiles};
use engine::{DeltaScan, Engine, TableChanges};
use serde::{Deserialize, Serialize};

use super::location::LocationRules;
use super::location::files::{Located, directory, locate, open_delta, urls};
use crate::error::{Error, Result};

/// What `STORED AS` says for a Delta table.
pub(crate) const DELTA: &str = "delta";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalTableDefinition {
    /// As it was given.
    pub location: String,
    /// [`DELTA`], or a name that [`FileKind::of_suffix`] knows.
    pub format: String,
    /// Of the names of all files, with compression.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub suffix: String,
    #[serde(default)]
    pub options: FileOptions,
    /// Those of partitions come last.
    pub columns: Schema,
    /// The names of the `key=value` directories, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition_columns: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl ExternalTableDefinition {
    /// The table as it is now. Whether its location may be read was asked when it was made; what a symbolic link has become
    /// since then is asked again.
    pub(crate) async fn open(&self, engine: &Engine, state: &SessionState, rules: &LocationRules) -> Result<Arc<dyn TableProvider>> {
        if self.format == DELTA {
            let urls = urls(state, rules, &self.location).await?;
            let url = urls.first().map(directory).ok_or_else(|| self.gone())?;
            let version = open_delta(engine, rules, &url, &self.location).await?;
            return Ok(Arc::new(DeltaScan::new(version, &TableChanges::default())?.described(&self.columns)));
        }
        let kind = FileKind::of_suffix(&self.format).ok_or_else(|| Error::internal(format!("no files are {}", self.format)))?;
        let is_partition = |field: &&FieldRef| self.partition_columns.contains(field.name());
        let Located::Files(files) = locate(state, rules, &self.location, Some(kind)).await? else { return Err(self.gone()) };
        let found: Vec<&String> = files.partition_columns.iter().map(|(name, _)| name).collect();
        if !found.into_iter().eq(&self.partition_columns) {
            let message = "its directories are not those that it had when the table was made".into();
            return Err(Error::Location { location: self.location.clone(), message });
        }
        let partition_columns = self.columns.fields().iter().filter(is_partition);
        let partition_columns = partition_columns.map(|field| (field.name().clone(), field.data_type().clone())).collect();
        let file_columns: Vec<FieldRef> = self.columns.fields().iter().filter(|field| !is_partition(field)).cloned().collect();
        let file_name = FileName { suffix: self.suffix.clone(), ..FileName::of_kind(&format!("x{}", self.suffix), kind) };
        let files = TableFiles { file_name, partition_columns, options: self.options.clone(), ..files };
        let schema = Arc::new(Schema::new_with_metadata(file_columns, self.columns.metadata().clone()));
        Ok(FileTable::with_schema(state, files, schema).await?.provider)
    }

    fn gone(&self) -> Error {
        Error::Location { location: self.location.clone(), message: "does not exist any more".into() }
    }
}
