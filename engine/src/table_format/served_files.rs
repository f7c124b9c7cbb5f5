//! A table over files that says when they are gone. DataFusion takes a location without files for an empty table.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{ScanArgs, ScanResult, Session, TableProvider};
use datafusion::common::{Constraints, DataFusionError, Statistics};
use datafusion::datasource::listing::{ListingTable, ListingTableUrl};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::StreamExt;

#[derive(Debug)]
pub(super) struct ServedFiles {
    pub table: ListingTable,
    pub urls: Vec<ListingTableUrl>,
    pub suffix: String,
}

impl ServedFiles {
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
        Ok(plan)
    }

    async fn scan_with_args<'a>(&self, state: &dyn Session, args: ScanArgs<'a>) -> Result<ScanResult> {
        let result = self.table.scan_with_args(state, args).await?;
        self.check(state, result.plan()).await?;
        Ok(result)
    }
}
