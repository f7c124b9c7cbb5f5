//! `DROP MATERIALIZED VIEW`.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::ObjectName;

use super::drop_relation::{Dropped, drop_relation};
use crate::error::Result;
use crate::response::Response;
use crate::session::Session;

pub(super) async fn drop_materialized_view(session: &Arc<Session>, names: &[ObjectName], if_exists: bool, cascade: bool) -> Result<Response> {
    drop_relation(session, Dropped::MaterializedView, names, if_exists, cascade).await
}
