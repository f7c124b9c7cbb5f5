//! `TRUNCATE`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::Truncate;
use engine::TableChanges;

use super::command;
use super::modify::Target;
use crate::error::{Error, Result};
use crate::response::Response;
use crate::session::Session;

pub(super) async fn truncate(session: &Arc<Session>, truncate: &Truncate) -> Result<Response> {
    if truncate.partitions.is_some() {
        return Err(Error::unsupported("TRUNCATE of partitions"));
    }
    let snapshot = session.catalog();
    let targets = truncate.table_names.iter().map(|table| Target::find(session, &table.name, &snapshot, "truncate"));
    // All names are looked at before the first table is changed.
    for target in targets.collect::<Result<Vec<_>>>()? {
        let contents = session.contents(target.oid, &target.definition).await?;
        let removed = contents.scan(&target.definition)?.files().cloned().collect();
        session.change_table(target.oid, &contents, TableChanges { removed, ..TableChanges::default() }).await?;
    }
    Ok(command("TRUNCATE TABLE"))
}
