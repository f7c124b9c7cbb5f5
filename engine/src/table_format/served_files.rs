//! A table over files that says when they are gone. DataFusion takes a location without files for an empty table.

use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{ScanArgs, ScanResult, Session, TableProvider};
use datafusion::common::{Constraints, DataFusionError, Statistics};
use datafusion::datasource::listing::{ListingTable, ListingTableUrl, PartitionedFile};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::StreamExt;
use object_store::path::Path;

#[derive(Debug)]
pub(super) struct ServedFiles {
    pub table: ListingTable,
    pub urls: Vec<ListingTableUrl>,
    pub suffix: String,
    /// The only files that it has, if they are known.
    pub only: Option<HashSet<Path>>,
}

impl ServedFiles {
    /// Writers leave `_SUCCESS`, `.crc` and `_temporary` behind, and files may have come since they were looked at.
    fn has(&self, path: &Path) -> bool {
        let below = self.urls.iter().find_map(|url| Some(url.strip_prefix(path)?.map(str::to_owned).collect::<Vec<_>>()));
        let is_hidden = below.is_some_and(|parts| parts.iter().any(|part| part.starts_with(['_', '.'])));
        !is_hidden && self.only.as_ref().is_none_or(|only| only.contains(path))
    }

    /// `plan` without the files that the table does not have; `None` if it has all of them.
    fn visible(&self, plan: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
        let source: &dyn Any = plan.downcast_ref::<DataSourceExec>()?.data_source().as_ref();
        let config = source.downcast_ref::<FileScanConfig>()?;
        let is_visible = |file: &PartitionedFile| self.has(&file.object_meta.location);
        if config.file_groups.iter().all(|group| group.files().iter().all(is_visible)) {
            return None;
        }
        let keep = |group: &FileGroup| FileGroup::new(group.files().iter().filter(|file| is_visible(file)).cloned().collect());
        let groups: Vec<FileGroup> = config.file_groups.iter().map(keep).filter(|group| !group.is_empty()).collect();
        if groups.is_empty() {
            return Some(Arc::new(EmptyExec::new(plan.schema())));
        }
        // What was counted were all files.
        let unknown = Statistics::new_unknown(config.file_source().table_schema().table_schema());
        let config = FileScanConfigBuilder::from(config.clone()).with_file_groups(groups).with_statistics(unknown).build();
        Some(DataSourceExec::from_data_source(config))
    }

    /// A scan is empty when filters leave no partition, or when there are no files.
    async fn check(&self, state: &dyn Session, plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
        if !plan.is::<EmptyExec>() {
            return Ok(());
        }
        let mut first = None;
        for url in &self.urls {
            let store = state.runtime_env().object_store(url.object_store())?;
            let mut files = url.list_all_files(state, store.as_ref(), &self.suffix).await?;
            if let Some(file) = files.next().await {
                return file.map(drop);
            }
            first = first.or_else(|| Some(url.prefix().to_string()));
        }
        let (path, source) = (first.unwrap_or_default(), "it was there when the table was made".into());
        Err(DataFusionError::ObjectStore(Box::new(object_store::Error::NotFound { path, source })))
    }
}

#[async_trait]
impl TableProvider for ServedFiles {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn constraints(&self) -> Option<&Constraints> {
        self.table.constraints()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }

    fn statistics(&self) -> Option<Statistics> {
        self.table.statistics()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.table.scan(state, projection, filters, limit).await?;
        self.check(state, &plan).await?;
        match self.visible(&plan) {
            None => Ok(plan),
            Some(plan) if limit.is_none() => Ok(plan),
            // The files that are enough for the limit may be others.
            Some(_) => {
                let all = self.table.scan(state, projection, filters, None).await?;
                Ok(self.visible(&all).unwrap_or(all))
            }
        }
    }

    async fn scan_with_args<'a>(&self, state: &dyn Session, args: ScanArgs<'a>) -> Result<ScanResult> {
        let projection = args.projection().map(<[usize]>::to_vec);
        let filters = args.filters().unwrap_or_default();
        Ok(ScanResult::new(self.scan(state, projection.as_ref(), filters, args.limit()).await?))
    }
}
