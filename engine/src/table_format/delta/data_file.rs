//! The files of a table.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use deltalake::kernel::{Add, LogicalFileView, Remove};
use object_store::ObjectMeta;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::file_statistics;
use super::layout::Layout;
use crate::error::{Error, Result};

/// A file that a plan has written for a table, not yet part of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewFile(pub(crate) Add);

/// A file of a table, and what the log tells of its rows.
#[derive(Debug)]
pub struct DataFile {
    /// Relative to the table's location, as the log has it.
    pub path: String,
    pub size: u64,
    modified_millis: i64,
    /// By column, as the log has them.
    logged_values: HashMap<String, Option<String>>,
    /// In the order of the layout's partition columns.
    partition_values: Vec<ScalarValue>,
    /// Of the columns of the file, then those of the partitions.
    statistics: Arc<Statistics>,
}

impl DataFile {
    pub(super) fn of_view(view: &LogicalFileView, layout: &Layout) -> Result<Self, String> {
        let path = view.path().into_owned();
        if view.deletion_vector_descriptor().is_some() {
            return Err(format!("rows of the file {path} are deleted by a deletion vector, which cannot be read"));
        }
        let stats = view.stats();
        Self::new(path, view.size(), view.modification_time(), view.partition_values_map(), stats.as_deref(), layout)
    }

    pub(super) fn of_new(NewFile(add): &NewFile, layout: &Layout) -> Result<Self, String> {
        let values = add.partition_values.clone();
        Self::new(add.path.clone(), add.size, add.modification_time, values, add.stats.as_deref(), layout)
    }

    fn new(
        path: String,
        size: i64,
        modified_millis: i64,
        logged_values: HashMap<String, Option<String>>,
        stats: Option<&str>,
        layout: &Layout,
    ) -> Result<Self, String> {
        if path.contains("://") {
            return Err(format!("the file {path} is not below the table's location"));
        }
        let size = u64::try_from(size).map_err(|_| format!("the file {path} has a size of {size}"))?;
        let value = |field: &Arc<arrow::datatypes::Field>| match logged_values.get(field.name()).and_then(Option::as_ref) {
            // The log has no empty text.
            Some(text) if !text.is_empty() => ScalarValue::try_from_string(text.clone(), field.data_type()),
            _ => ScalarValue::try_new_null(field.data_type()),
        };
        let partition_values: Vec<ScalarValue> = layout
            .partition_fields
            .iter()
            .map(|field| value(field).map_err(|error| format!("{path}: {}: {}", field.name(), error.strip_backtrace())))
            .collect::<Result<_, _>>()?;
        let mut statistics = file_statistics::read(stats, size, &layout.file_schema);
        let rows = statistics.num_rows;
        statistics.column_statistics.extend(partition_values.iter().map(|value| of_partition(value, rows)));
        Ok(Self { path, size, modified_millis, logged_values, partition_values, statistics: Arc::new(statistics) })
    }

    /// The file in a table whose columns have changed. The bounds of its columns are not known.
    pub(super) fn with_layout(&self, layout: &Layout) -> Result<Self, String> {
        let known = Self::new(self.path.clone(), 0, self.modified_millis, self.logged_values.clone(), None, layout)?;
        let mut statistics = Statistics::clone(&known.statistics);
        statistics.num_rows = self.statistics.num_rows;
        statistics.total_byte_size = self.statistics.total_byte_size;
        Ok(Self { size: self.size, statistics: Arc::new(statistics), ..known })
    }

    /// Rows, if the log says how many.
    pub fn rows(&self) -> Option<usize> {
        match self.statistics.num_rows {
            Precision::Exact(rows) => Some(rows),
            _ => None,
        }
    }

    /// The values that all rows have, in the order of the table's partition columns.
    pub fn partition_values(&self) -> &[ScalarValue] {
        &self.partition_values
    }

    pub(super) fn statistics(&self) -> &Arc<Statistics> {
        &self.statistics
    }

    /// Where the file is below the table's location.
    pub(super) fn relative_path(&self) -> Path {
        relative_path(&self.path)
    }

    /// For a scan of the table below `root`.
    pub(super) fn scanned(&self, root: &Path) -> Result<PartitionedFile> {
        let below = self.relative_path();
        let location = Path::from_iter(root.parts().chain(below.parts()));
        let last_modified = DateTime::<Utc>::from_timestamp_millis(self.modified_millis).unwrap_or_default();
        let meta = ObjectMeta { location, last_modified, size: self.size, e_tag: None, version: None };
        let mut file = PartitionedFile::new_from_meta(meta).with_partition_values(self.partition_values.clone());
        file.statistics = Some(Arc::clone(&self.statistics));
        Ok(file)
    }

    /// What takes the file out of its table.
    pub(super) fn removal(&self, data_change: bool) -> Remove {
        Remove {
            path: self.path.clone(),
            data_change,
            deletion_timestamp: Some(Utc::now().timestamp_millis()),
            extended_file_metadata: Some(true),
            partition_values: Some(self.logged_values.clone()),
            size: i64::try_from(self.size).ok(),
            ..Remove::default()
        }
    }
}

impl NewFile {
    /// Relative to the table's location.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Whether both are the same file of a table.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.path == other.0.path
    }

    /// Reads what a writing plan gave.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| Error::Location {
            location: "a written file".into(),
            message: format!("was not reported as it should be: {error}"),
        })
    }
}

/// A path of the log below the table's location.
pub(super) fn relative_path(path: &str) -> Path {
    Path::parse(path).unwrap_or_else(|_| Path::from(path))
}

fn of_partition(value: &ScalarValue, rows: Precision<usize>) -> ColumnStatistics {
    let bound = match value.is_null() {
        true => Precision::Absent,
        false => Precision::Exact(value.clone()),
    };
    let null_count = if value.is_null() { rows } else { Precision::Exact(0) };
    ColumnStatistics { null_count, min_value: bound.clone(), max_value: bound, ..ColumnStatistics::default() }
}
