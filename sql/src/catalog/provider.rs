//! A catalog snapshot as DataFusion's planner asks for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::error::Result;

use super::{CatalogSnapshot, Schema};

/// The schemas of a snapshot and those made up for a session (`pg_catalog`, `information_schema`).
#[derive(Debug)]
pub struct SnapshotCatalog {
    snapshot: Arc<CatalogSnapshot>,
    system_schemas: BTreeMap<String, Arc<dyn SchemaProvider>>,
}

impl SnapshotCatalog {
    pub fn new(
        snapshot: Arc<CatalogSnapshot>,
        system_schemas: BTreeMap<String, Arc<dyn SchemaProvider>>,
    ) -> Arc<Self> {
        Arc::new(Self { snapshot, system_schemas })
    }

    /// As a list that holds only this catalog.
    pub fn into_list(self: Arc<Self>) -> Arc<dyn CatalogProviderList> {
        Arc::new(SnapshotCatalogList { catalog: self })
    }
}

impl CatalogProvider for SnapshotCatalog {
    fn schema_names(&self) -> Vec<String> {
        let user = self.snapshot.schemas.iter().map(|schema| schema.name.clone());
        user.chain(self.system_schemas.keys().cloned()).collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if let Some(schema) = self.snapshot.schema(name) {
            return Some(Arc::new(SnapshotSchema { schema: Arc::clone(schema) }));
        }
        self.system_schemas.get(name).cloned()
    }
}

#[derive(Debug)]
struct SnapshotCatalogList {
    catalog: Arc<SnapshotCatalog>,
}

impl CatalogProviderList for SnapshotCatalogList {
    fn register_catalog(&self, _name: String, _catalog: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        // Snapshots do not change; statements that would change one are refused before they are planned.
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![self.catalog.snapshot.database.clone()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == self.catalog.snapshot.database).then(|| Arc::clone(&self.catalog) as Arc<dyn CatalogProvider>)
    }
}

#[derive(Debug)]
struct SnapshotSchema {
    schema: Arc<Schema>,
}

#[async_trait]
impl SchemaProvider for SnapshotSchema {
    fn table_names(&self) -> Vec<String> {
        self.schema.tables.keys().cloned().collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.schema.tables.get(name).map(|table| Arc::clone(&table.provider)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.schema.tables.contains_key(name)
    }
}
