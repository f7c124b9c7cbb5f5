//! A version of a table, and perhaps changes that are not committed, as DataFusion scans it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, DFSchema, ScalarValue, Statistics};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingTableUrl, PartitionedFile};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use super::commit::TableChanges;
use super::data_file::DataFile;
use super::layout::Layout;
use super::version::TableVersion;
use crate::error::Error;
use crate::table_format::named_parquet::NamedParquet;

/// The column that tells the file of a row, in scans that have it. No name in a query can be this one.
pub const FILE_COLUMN: &str = "\u{1}file";

/// Scans the files of a table.
#[derive(Debug)]
pub struct DeltaScan {
    version: Arc<TableVersion>,
    layout: Arc<Layout>,
    files: BTreeMap<String, Arc<DataFile>>,
    schema: SchemaRef,
    names_files: bool,
}

impl DeltaScan {
    /// The table as it is after `changes`.
    pub fn new(version: Arc<TableVersion>, changes: &TableChanges) -> crate::Result<Self> {
        let unreadable = |message| Error::Location { location: version.location.to_string(), message };
        let mut files = version.files.clone();
        for file in &changes.removed {
            files.remove(&file.path);
        }
        let layout = match &changes.columns {
            Some(columns) => Arc::new(Layout::new(columns, &version.partition_columns)),
            None => Arc::clone(&version.layout),
        };
        if changes.columns.is_some() {
            for file in files.values_mut() {
                *file = Arc::new(file.with_layout(&layout).map_err(unreadable)?);
            }
        }
        for file in &changes.added {
            let file = DataFile::of_new(file, &layout).map_err(unreadable)?;
            files.insert(file.path.clone(), Arc::new(file));
        }
        let schema = Arc::clone(&layout.schema);
        Ok(Self { version, layout, files, schema, names_files: false })
    }

    /// The same with [`FILE_COLUMN`] as last column.
    pub fn naming_files(self) -> Self {
        let fields = self.schema.fields().iter().cloned().chain([file_field()]);
        let schema = Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), self.schema.metadata().clone()));
        Self { schema, names_files: true, ..self }
    }

    /// Only those of its files whose paths are given.
    pub fn of_files(mut self, paths: &HashSet<String>) -> Self {
        self.files.retain(|path, _| paths.contains(path));
        self
    }

    /// The same columns with the metadata that `described` has of those of the same name.
    pub fn described(self, described: &Schema) -> Self {
        let field = |field: &FieldRef| match described.field_with_name(field.name()) {
            Ok(found) => Arc::new(field.as_ref().clone().with_metadata(found.metadata().clone())),
            Err(_) => Arc::clone(field),
        };
        let fields = self.schema.fields().iter().map(field);
        let schema = Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), described.metadata().clone()));
        Self { schema, ..self }
    }

    pub fn files(&self) -> impl Iterator<Item = &Arc<DataFile>> {
        self.files.values()
    }

    fn table_schema(&self) -> TableSchema {
        let layout = self.layout.table_schema();
        let described = |field: &FieldRef| self.schema.field_with_name(field.name()).map_or_else(|_| Arc::clone(field), |field| Arc::new(field.clone()));
        let file_fields: Vec<FieldRef> = layout.file_schema().fields().iter().map(described).collect();
        let file = self.names_files.then(file_field);
        let partition_fields: Vec<FieldRef> = layout.table_partition_cols().iter().map(described).chain(file).collect();
        TableSchema::builder(Arc::new(Schema::new(file_fields))).with_table_partition_cols(partition_fields).build()
    }

    /// The files that may have rows for which all `filters` are true.
    fn pruned(&self, state: &dyn Session, filters: &[Expr], scanned: &SchemaRef) -> Result<Vec<&Arc<DataFile>>> {
        let files: Vec<&Arc<DataFile>> = self.files.values().collect();
        let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(files) };
        let filter = state.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(&self.schema))?)?;
        let predicate = PruningPredicateBuilder::new().with_file_schema(Arc::clone(&self.schema)).build(filter);
        let Some(predicate) = predicate else { return Ok(files) };
        let keep = predicate.prune(&Bounds { files: &files, schema: scanned })?;
        Ok(files.iter().zip(keep).filter_map(|(file, keep)| keep.then_some(*file)).collect())
    }

    fn scanned(&self, file: &DataFile) -> Result<PartitionedFile> {
        let root = ListingTableUrl::parse(&self.version.location)?;
        let mut scanned =
            file.scanned(root.prefix()).map_err(|error| datafusion::error::DataFusionError::External(Box::new(error)))?;
        if self.names_files {
            scanned.partition_values.push(ScalarValue::Utf8(Some(file.path.clone())));
            let mut statistics = Statistics::clone(file.statistics());
            statistics.column_statistics.push(datafusion::common::ColumnStatistics::new_unknown());
            scanned.statistics = Some(Arc::new(statistics));
        }
        Ok(scanned)
    }
}

fn file_field() -> FieldRef {
    Arc::new(Field::new(FILE_COLUMN, DataType::Utf8, false))
}

#[async_trait]
impl TableProvider for DeltaScan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let table_schema = self.table_schema();
        let scanned = table_schema.table_schema();
        let files = self.pruned(state, filters, scanned)?;
        if files.is_empty() {
            let schema = match projection {
                Some(projection) => Arc::new(self.schema.project(projection)?),
                None => Arc::clone(&self.schema),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let files = files.into_iter().map(|file| self.scanned(file)).collect::<Result<Vec<_>>>()?;
        let of_files = |files: &[PartitionedFile]| {
            Statistics::try_merge_iter(files.iter().filter_map(|file| file.statistics.as_deref()), scanned)
        };
        let statistics = of_files(&files)?;
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let with_statistics = |group: FileGroup| {
            let statistics = of_files(group.files())?;
            Ok(group.with_statistics(Arc::new(statistics)))
        };
        let groups = groups.into_iter().map(with_statistics).collect::<Result<Vec<_>>>()?;
        // Columns of partitions are last in files' schemas, wherever they are in the table.
        let all = || (0..self.schema.fields().len()).collect();
        let projection = projection.cloned().unwrap_or_else(all);
        let projection = projection.iter().map(|index| scanned.index_of(self.schema.field(*index).name()));
        let projection = projection.collect::<Result<Vec<_>, _>>()?;
        let format = NamedParquet(ParquetFormat::default().with_force_view_types(false));
        let url = ListingTableUrl::parse(&self.version.location)?.object_store();
        let config = FileScanConfigBuilder::new(url, format.file_source(table_schema))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(Some(projection))?
            .with_limit(limit)
            .build();
        format.create_physical_plan(state, config).await
    }

    fn statistics(&self) -> Option<Statistics> {
        None
    }
}

/// Bounds of the columns of files, for what leaves out files.
struct Bounds<'a> {
    files: &'a [&'a Arc<DataFile>],
    /// Of the files' statistics, or of more columns.
    schema: &'a SchemaRef,
}

impl Bounds<'_> {
    fn values(&self, column: &Column, of: fn(&datafusion::common::ColumnStatistics) -> &Precision<ScalarValue>) -> Option<ArrayRef> {
        let (index, field) = self.schema.column_with_name(column.name())?;
        let unknown = ScalarValue::try_new_null(field.data_type()).ok()?;
        let value = |file: &&Arc<DataFile>| {
            let column = file.statistics().column_statistics.get(index);
            column.and_then(|column| of(column).get_value().cloned()).unwrap_or_else(|| unknown.clone())
        };
        ScalarValue::iter_to_array(self.files.iter().map(value)).ok()
    }
}

impl PruningStatistics for Bounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |column| &column.min_value)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |column| &column.max_value)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (index, _) = self.schema.column_with_name(column.name())?;
        let count = |file: &&Arc<DataFile>| match file.statistics().column_statistics.get(index)?.null_count {
            Precision::Exact(count) => u64::try_from(count).ok(),
            _ => None,
        };
        Some(Arc::new(self.files.iter().map(count).collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let rows = self.files.iter().map(|file| file.rows().and_then(|rows| u64::try_from(rows).ok()));
        Some(Arc::new(rows.collect::<UInt64Array>()))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
