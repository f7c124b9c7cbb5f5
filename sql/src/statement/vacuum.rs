//! `VACUUM` and `OPTIMIZE`: what keeps tables that are written often small and fast.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::TableProvider;
use datafusion::sql::sqlparser::ast::{ObjectName, VacuumStatement};
use engine::TableChanges;

use super::command;
use super::modify::{ATTEMPTS_MAX, Modification, Target, replaced, skeleton};
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::planner::TARGET;
use crate::planner::assign::{cast_to_columns, identifier};
use crate::response::Response;
use crate::session::{Session, TransactionStatus};

/// Files smaller than this are put together.
const SMALL_BYTES: u64 = 64 << 20;

/// Removes files that are no longer part of a table, or of any.
pub(super) async fn vacuum(session: &Arc<Session>, vacuum: &VacuumStatement) -> Result<Response> {
    if session.transaction_status() != TransactionStatus::Idle {
        return Err(Error::ActiveTransaction { command: "VACUUM" });
    }
    let snapshot = session.catalog();
    let targets: Vec<Target> = match &vacuum.table_name {
        Some(name) => vec![Target::find(session, name, &snapshot, "vacuum")?],
        None => {
            let kept = snapshot.tables().filter_map(|(_, table)| Some((table, table.definition.clone()?)));
            kept.map(|(table, definition)| Target { oid: table.oid, name: table.name.clone(), definition }).collect()
        }
    };
    let retention = session.settings(|settings| settings.timeout("arbalest.vacuum_retention")).unwrap_or(Duration::ZERO);
    let tables = session.sessions().engine.tables();
    for target in targets {
        let removed = tables.vacuum(&target.definition.url()?, retention).await?;
        tracing::debug!(table = target.name, removed, "files that are part of no table were removed");
    }
    Ok(command("VACUUM"))
}

/// Writes the small files of a table again as larger ones.
pub(super) async fn optimize(session: &Arc<Session>, statement: &Statement, name: &ObjectName) -> Result<Response> {
    if session.transaction_status() != TransactionStatus::Idle {
        return Err(Error::ActiveTransaction { command: "OPTIMIZE" });
    }
    for _ in 0..ATTEMPTS_MAX {
        let snapshot = session.catalog();
        let target = Target::find(session, name, &snapshot, "optimize")?;
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
        let changes = replaced(&contents, definition, &paths, written)?;
        if modification.apply(&contents, TableChanges { keeps_rows: true, ..changes }).await? {
            return Ok(command("OPTIMIZE"));
        }
    }
    Err(Error::SerializationFailure)
}
