//! `OPTIMIZE`: writes the small files of a table again as larger ones.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::sql::sqlparser::ast::ObjectName;
use engine::Operation;

use super::command;
use super::modify::{Needs, ATTEMPTS_MAX, Modification, Target, replaced, skeleton};
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::planner::TARGET;
use crate::planner::assign::{cast_to_columns, identifier};
use crate::response::Response;
use crate::session::tables::pin_tables;
use crate::session::{Session, TransactionStatus};

/// Files smaller than this are put together.
const SMALL_BYTES: u64 = 64 << 20;

pub(super) async fn optimize(session: &Arc<Session>, statement: &Statement, name: &ObjectName) -> Result<Response> {
    if session.transaction_status() != TransactionStatus::Idle {
        return Err(Error::ActiveTransaction { command: "OPTIMIZE" });
    }
    for _ in 0..ATTEMPTS_MAX {
        let _pinned = pin_tables();
        let snapshot = session.catalog();
        let target = Target::find(session, name, &snapshot, "optimize", [Needs::Ownership])?;
        let modification = Modification { session: Arc::clone(session), statement: statement.clone(), snapshot, target };
        let definition = &modification.target.definition;
        let Some(contents) = modification.current().await? else { continue };
        let scan = contents.scan(definition)?;
        // Of one small file nothing better can be made, in each partition.
        let mut small: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in scan.files().filter(|file| file.size < SMALL_BYTES) {
            let directory = file.path.rsplit_once('/').map_or("", |(directory, _)| directory);
            small.entry(directory.to_owned()).or_default().push(file.path.clone());
        }
        let paths: HashSet<String> = small.into_values().filter(|paths| paths.len() > 1).flatten().collect();
        if paths.is_empty() {
            return Ok(command("OPTIMIZE"));
        }
        let columns: Vec<String> = definition.columns.fields().iter().map(|field| identifier(field.name())).collect();
        let query = skeleton(&format!("SELECT {} FROM {}", columns.join(", "), identifier(TARGET)))?;
        let table: Arc<dyn TableProvider> = Arc::new(scan.of_files(&paths));
        let rows = modification.plan_part(table, query, &[]).await?.logical;
        let written = modification.write(cast_to_columns(rows, definition, &modification.snapshot)?).await?;
        let changes = replaced(&contents, definition, &paths, written, Operation::Optimize)?;
        if modification.apply(&contents, changes).await? {
            return Ok(command("OPTIMIZE"));
        }
    }
    Err(Error::SerializationFailure)
}
