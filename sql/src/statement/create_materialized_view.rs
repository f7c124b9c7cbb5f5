//! `CREATE MATERIALIZED VIEW`: a table of the rows of a query, which is kept with it to run again.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use datafusion::sql::sqlparser::ast::{ColumnDef, CreateView, DataType};

use super::create_table::create;
use super::create_view::define;
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::response::Response;
use crate::session::Session;
use crate::session::temporary::is_temporary;
use crate::sql_state::SqlState;

pub(super) async fn create_materialized_view(session: &Arc<Session>, statement: &Statement, view: &CreateView) -> Result<Response> {
    if view.or_replace || view.temporary {
        return Err(Error::unsupported("this CREATE MATERIALIZED VIEW"));
    }
    let snapshot = session.catalog();
    let definition = define(session, &snapshot, view).await?;
    if definition.depends_on.iter().filter_map(|oid| snapshot.object(*oid)).any(|object| is_temporary(object)) {
        let message = "materialized views must not use temporary tables or views";
        return Err(Error::classified(SqlState::FEATURE_NOT_SUPPORTED, message));
    }
    let column = |column: &datafusion::sql::sqlparser::ast::ViewColumnDef| ColumnDef {
        name: column.name.clone(),
        data_type: DataType::Unspecified,
        options: vec![],
    };
    let table = CreateTableBuilder::new(view.name.clone())
        .if_not_exists(view.if_not_exists)
        .columns(view.columns.iter().map(column).collect())
        .query(Some(view.query.clone()))
        .build();
    create(session, statement, &table, Some(definition)).await
}
