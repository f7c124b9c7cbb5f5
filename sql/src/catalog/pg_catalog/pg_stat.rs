//! `pg_stat_activity` and other views of what happens now.

use udfs::postgres::value::Value;

use super::roles::role_oid;
use super::{Rows, Source, oids};
use crate::catalog::TableKind;
use crate::catalog::role::{MONITOR, READ_ALL_STATS};

pub(super) fn pg_stat_activity(rows: &mut Rows, source: &Source<'_>) {
    let rights = source.rights();
    let sees_all = rights.has_role(READ_ALL_STATS) || rights.has_role(MONITOR);
    for mut activity in source.session.activity() {
        if !sees_all && !rights.has_role(&activity.user) {
            (activity.query, activity.state) = ("<insufficient privilege>".into(), "");
            (activity.client_address, activity.query_start) = (None, None);
        }
        rows.push(&[
            ("datid", oids::DATABASE.into()),
            ("datname", source.snapshot.database.as_str().into()),
            ("pid", activity.process_id.into()),
            ("usesysid", role_oid(source, &activity.user).into()),
            ("usename", activity.user.as_str().into()),
            ("application_name", activity.application_name.as_str().into()),
            ("client_addr", activity.client_address.map(|address| address.ip().to_string()).into()),
            ("client_port", activity.client_address.map(|address| i64::from(address.port())).into()),
            ("backend_start", Value::Timestamp(activity.session_start)),
            ("query_start", activity.query_start.map_or(Value::Null, Value::Timestamp)),
            ("state", if activity.state.is_empty() { Value::Null } else { activity.state.into() }),
            ("query", activity.query.as_str().into()),
            ("backend_type", "client backend".into()),
        ]);
    }
}

pub(super) fn pg_stat_database(rows: &mut Rows, source: &Source<'_>) {
    let sessions = i64::try_from(source.session.activity().len()).unwrap_or(i64::MAX);
    rows.push(&[
        ("datid", oids::DATABASE.into()),
        ("datname", source.snapshot.database.as_str().into()),
        ("numbackends", sessions.into()),
    ]);
}

pub(super) fn pg_stat_user_tables(rows: &mut Rows, source: &Source<'_>) {
    for (schema, table) in source.snapshot.tables().filter(|(_, table)| table.kind != TableKind::View) {
        rows.push(&[
            ("relid", table.oid.into()),
            ("schemaname", schema.name.as_str().into()),
            ("relname", table.name.as_str().into()),
            ("n_live_tup", table.row_count.and_then(|count| i64::try_from(count).ok()).into()),
        ]);
    }
}
