//! A virtual schema whose tables are computed when a statement scans them.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{SchemaProvider, Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use parking_lot::Mutex;

use super::data::{Relation, relation, relations_of};
use super::rows::schema_of;
use super::{PG_CATALOG, Source, depends_on_session, rows_of};
use crate::catalog::CatalogSnapshot;
use crate::catalog::information_schema;
use crate::catalog::session_info::SessionInfo;

/// `pg_catalog` or `information_schema` as one session sees it.
#[derive(Debug)]
pub struct SystemSchema {
    name: &'static str,
    session: Arc<dyn SessionInfo>,
    cache: Arc<Mutex<Cache>>,
}

/// Tables computed from `snapshot`. One session asks for the same few again and again.
#[derive(Debug, Default)]
struct Cache {
    snapshot: Weak<CatalogSnapshot>,
    /// Who sees them so.
    role: String,
    tables: HashMap<&'static str, RecordBatch>,
}

impl SystemSchema {
    pub fn pg_catalog(session: Arc<dyn SessionInfo>) -> Self {
        Self { name: PG_CATALOG, session, cache: Arc::default() }
    }

    pub fn information_schema(session: Arc<dyn SessionInfo>) -> Self {
        Self { name: information_schema::INFORMATION_SCHEMA, session, cache: Arc::default() }
    }

    /// The table of a name, which is folded to lower case by the parser.
    pub fn system_table(&self, name: &str) -> Option<SystemTable> {
        let relation = relation(self.name, name)?;
        Some(SystemTable {
            relation,
            schema: schema_of(relation),
            session: Arc::clone(&self.session),
            cache: Arc::clone(&self.cache),
        })
    }
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        relations_of(self.name).map(|relation| relation.name.to_owned()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(self.system_table(name).map(|table| Arc::new(table) as _))
    }

    fn table_exist(&self, name: &str) -> bool {
        relation(self.name, name).is_some()
    }
}

/// A system table.
#[derive(Debug)]
pub struct SystemTable {
    relation: &'static Relation,
    schema: SchemaRef,
    session: Arc<dyn SessionInfo>,
    cache: Arc<Mutex<Cache>>,
}

impl SystemTable {
    pub fn oid(&self) -> u32 {
        self.relation.oid
    }

    fn batch(&self) -> Result<RecordBatch> {
        let snapshot = self.session.snapshot();
        let source = Source { snapshot: &snapshot, session: self.session.as_ref() };
        let compute = || match self.relation.schema {
            PG_CATALOG => rows_of(self.relation, &source),
            _ => information_schema::rows_of(self.relation, &source),
        };
        if self.relation.schema == PG_CATALOG && depends_on_session(self.relation.name) {
            return compute();
        }
        let mut cache = self.cache.lock();
        let role = self.session.role();
        if !std::ptr::eq(cache.snapshot.as_ptr(), Arc::as_ptr(&snapshot)) || cache.role != role {
            *cache = Cache { snapshot: Arc::downgrade(&snapshot), role, tables: HashMap::new() };
        }
        if let Some(batch) = cache.tables.get(self.relation.name) {
            return Ok(batch.clone());
        }
        let batch = compute()?;
        cache.tables.insert(self.relation.name, batch.clone());
        Ok(batch)
    }
}

#[async_trait]
impl TableProvider for SystemTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        if self.relation.kind == "v" { TableType::View } else { TableType::Base }
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = [vec![self.batch()?]];
        Ok(MemorySourceConfig::try_new_exec(&partitions, self.schema(), projection.cloned())?)
    }
}
