//! The system tables and functions of a session, and what they may know of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use datafusion::catalog::SchemaProvider;
use datafusion::common::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;

use super::Session;
use crate::catalog::CatalogSnapshot;
use crate::catalog::functions::session_functions;
use crate::catalog::information_schema::INFORMATION_SCHEMA;
use crate::catalog::pg_catalog::{PG_CATALOG, SystemSchema};
use crate::catalog::role::SIGNAL_BACKEND;
use crate::catalog::session_info::{Activity, SessionInfo};
use crate::error::Error;
use crate::privileges::{self, Rights};
use crate::sql_state::SqlState;

/// Made once a session.
#[derive(Debug, Default)]
pub(crate) struct System {
    schemas: BTreeMap<String, Arc<dyn SchemaProvider>>,
    functions: HashMap<String, Arc<ScalarUDF>>,
}

impl System {
    pub(super) fn new(session: &Arc<Session>) -> Self {
        let view = SessionView { session: Arc::downgrade(session), snapshot: session.catalog(), user: session.user.clone() };
        let info: Arc<dyn SessionInfo> = Arc::new(view);
        let schemas: [(&str, Arc<dyn SchemaProvider>); 2] = [
            (PG_CATALOG, Arc::new(SystemSchema::pg_catalog(Arc::clone(&info)))),
            (INFORMATION_SCHEMA, Arc::new(SystemSchema::information_schema(Arc::clone(&info)))),
        ];
        Self {
            schemas: schemas.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect(),
            functions: session_functions(&info),
        }
    }

    /// The schemas that no catalog stores.
    pub(crate) fn schemas(&self) -> &BTreeMap<String, Arc<dyn SchemaProvider>> {
        &self.schemas
    }

    /// A function that depends on the session or on the catalog.
    pub(crate) fn function(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.functions.get(name).cloned()
    }
}

/// A session as its functions see it. They are part of plans, which the session keeps: the reference back is weak.
#[derive(Debug)]
struct SessionView {
    session: Weak<Session>,
    /// For what runs after the session has ended.
    snapshot: Arc<CatalogSnapshot>,
    user: String,
}

impl SessionView {
    fn of<T>(&self, of: impl FnOnce(&Session) -> T) -> Option<T> {
        self.session.upgrade().map(|session| of(&session))
    }
}

impl SessionInfo for SessionView {
    fn snapshot(&self) -> Arc<CatalogSnapshot> {
        self.of(Session::catalog).unwrap_or_else(|| Arc::clone(&self.snapshot))
    }

    fn role(&self) -> String {
        self.of(Session::role).unwrap_or_else(|| self.user.clone())
    }

    fn session_user(&self) -> String {
        self.of(|session| session.settings(|settings| settings.session_authorization().to_owned())).unwrap_or_else(|| self.user.clone())
    }

    fn search_path(&self) -> Vec<String> {
        self.of(|session| session.search_path()).unwrap_or_default()
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.of(|session| session.setting(name)).flatten()
    }

    fn settings(&self) -> Vec<(String, String)> {
        let all = self.of(|session| session.settings(|settings| settings.all())).unwrap_or_default();
        all.into_iter().map(|(name, value, _)| (name.clone(), self.setting(&name).unwrap_or(value))).collect()
    }

    fn set_setting(&self, name: &str, value: Option<&str>, local: bool) -> Result<()> {
        let outcome = self.of(|session| {
            if name.eq_ignore_ascii_case("role") {
                return session.set_role(value, local);
            }
            session.settings(|settings| match value {
                None => settings.reset(name),
                Some(value) if local => settings.set_local(name, value),
                Some(value) => settings.set(name, value),
            })
        });
        outcome.unwrap_or(Ok(())).map_err(|error| DataFusionError::External(Box::new(error)))
    }

    fn process_id(&self) -> i32 {
        self.of(|session| session.key.process_id).unwrap_or_default()
    }

    fn product_version(&self) -> String {
        self.of(|session| format!("(Arbalest {})", session.sessions.config.version)).unwrap_or_default()
    }

    fn server_start(&self) -> i64 {
        self.of(|session| session.sessions.started_micros()).unwrap_or_default()
    }

    fn activity(&self) -> Vec<Activity> {
        self.of(|session| session.sessions.all().iter().map(|session| session.activity()).collect()).unwrap_or_default()
    }

    fn cancel(&self, process_id: i32) -> Result<bool> {
        let target = self.of(|session| Some((session.sessions.by_process_id(process_id)?, session.role()))).flatten();
        let Some((target, role)) = target else { return Ok(false) };
        let snapshot = self.snapshot();
        let rights = Rights::of(&snapshot, &role);
        let is_superuser = privileges::is_superuser(&snapshot, target.user());
        if !rights.is_superuser() && (is_superuser || !(rights.has_role(target.user()) || rights.has_role(SIGNAL_BACKEND))) {
            let message = "must be a member of the role whose query is being canceled or member of pg_signal_backend";
            let error = Error::classified(SqlState::INSUFFICIENT_PRIVILEGE, message);
            return Err(DataFusionError::External(Box::new(error)));
        }
        target.cancel();
        Ok(true)
    }

    fn terminate(&self, _process_id: i32) -> Result<bool> {
        let hint = Some("Use pg_cancel_backend().".into());
        Err(DataFusionError::External(Box::new(Error::Unsupported { what: "pg_terminate_backend()".into(), hint })))
    }
}
