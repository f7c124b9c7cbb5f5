//! A client's state and the way its statements run: settings, transaction, prepared statements, cancellation.

mod activity;
pub(crate) mod cursor;
pub mod prepared;
mod role;
pub(crate) mod running;
pub(crate) mod scope;
pub(crate) mod settings;
pub(crate) mod system;
pub(crate) mod tables;
pub(crate) mod temporary;
pub(crate) mod transaction;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use engine::{TableChanges, TableVersion};
use futures::FutureExt;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::catalog::CatalogSnapshot;
use crate::catalog::object::Change;
use crate::catalog::store::StoreError;
use crate::error::{Error, Result};
use crate::parser::{self, Dialect, Statement};
use crate::privileges;
use crate::response::{Notice, Response};
use crate::sessions::{CancelKey, SessionOptions, Sessions};
use crate::statement;
use activity::SessionActivity;
use cursor::Cursors;
pub(crate) use activity::now_micros;
use prepared::{ColumnOrigin, PreparedStatement};
use scope::StatementScope;
use settings::Settings;
use system::System;
use temporary::{Temporary, is_temporary};
use transaction::Transaction;
pub use transaction::TransactionStatus;

/// One client cannot exhaust memory with statements it never deallocates.
const PREPARED_STATEMENTS_MAX: usize = 10_000;
/// How often a statement tries to change the catalog while others do.
const CATALOG_ATTEMPTS_MAX: u32 = 20;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(Uuid);

impl SessionId {
    pub(crate) fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SessionId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::from_str(text).map(Self)
    }
}

/// One client's session. Belongs to this crate, not to a connection; closed by [`Sessions::close`].
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    key: CancelKey,
    user: String,
    database: String,
    dialect: Dialect,
    /// Oids of the roles that the session was or is in, by name; 0 if there were no roles. Another of the same name is not it.
    known_roles: Mutex<HashMap<String, u32>>,
    sessions: Arc<Sessions>,
    settings: Mutex<Settings>,
    transaction: Mutex<Transaction>,
    pub(crate) cursors: Cursors,
    prepared: Mutex<HashMap<String, PreparedStatement>>,
    notices: Mutex<Vec<Notice>>,
    temporary: Mutex<Temporary>,
    /// Parent of the tokens of all statements that run now.
    running: Mutex<CancellationToken>,
    activity: SessionActivity,
    /// Set when the session is made; it refers back to it.
    system: OnceLock<System>,
}

impl Session {
    pub(crate) fn open(
        sessions: Arc<Sessions>,
        id: SessionId,
        key: CancelKey,
        database: String,
        options: SessionOptions,
    ) -> Result<Arc<Self>> {
        let mut settings = Settings::new(&sessions.config, &options.user);
        for (name, value) in &options.settings {
            settings.set_default(name, value)?;
        }
        let session = Arc::new(Self {
            id,
            key,
            user: options.user,
            database,
            known_roles: Mutex::default(),
            dialect: options.dialect,
            sessions,
            settings: Mutex::new(settings),
            transaction: Mutex::default(),
            cursors: Cursors::default(),
            prepared: Mutex::default(),
            notices: Mutex::default(),
            temporary: Mutex::default(),
            running: Mutex::default(),
            activity: SessionActivity::new(options.client_address),
            system: OnceLock::new(),
        });
        session.remember_role(&session.catalog(), session.user());
        session.system.get_or_init(|| System::new(&session));
        Ok(session)
    }

    pub fn id(&self) -> SessionId {
        self.id
    }

    pub fn cancel_key(&self) -> CancelKey {
        self.key
    }

    /// Who has connected.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The role whose rights it has now: the user's, or what SET ROLE has said.
    pub fn role(&self) -> String {
        self.settings.lock().role().to_owned()
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The system tables and functions of this session.
    pub(crate) fn system(&self) -> &System {
        self.system.get_or_init(System::default)
    }

    pub(crate) fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// What a statement can name that starts now.
    pub fn catalog(&self) -> Arc<CatalogSnapshot> {
        // A block sees its tables as they were when it saw the catalog.
        let (latest, point) = self.sessions.catalog.snapshot_at(|| self.sessions.engine.tables().now());
        let latest = self.with_temporary(latest);
        self.transaction.lock().catalog(latest, point)
    }

    /// Reads what other servers have changed, unless the transaction block goes on with what it has seen.
    pub(crate) async fn refresh_catalog(&self) -> Result<()> {
        match self.transaction_status() {
            TransactionStatus::Idle => Ok(self.sessions.catalog.refresh().await?),
            TransactionStatus::InTransaction | TransactionStatus::Failed => Ok(()),
        }
    }

    /// Changes the catalog: at once, or when the transaction block commits. `changes` is asked once more for each time that
    /// somebody else was faster.
    pub(crate) async fn change_catalog(&self, changes: impl Fn(&CatalogSnapshot) -> Result<Vec<Change>>) -> Result<()> {
        if self.transaction_status() != TransactionStatus::Idle {
            let changes = changes(&self.catalog())?;
            self.transaction.lock().change_catalog(&changes);
            return Ok(());
        }
        let catalog = &self.sessions.catalog;
        let mut attempts = CATALOG_ATTEMPTS_MAX;
        loop {
            let changes = changes(&self.latest_catalog())?;
            let (own, shared): (Vec<Change>, Vec<Change>) = changes.into_iter().partition(|change| is_temporary(&change.object));
            attempts -= 1;
            let committed = match shared.is_empty() {
                true => Ok(()),
                false => catalog.commit(&shared).await,
            };
            match committed {
                Err(StoreError::Conflict) if attempts > 0 => catalog.refresh().await?,
                committed => {
                    committed?;
                    self.change_temporary(&own);
                    return Ok(());
                }
            }
        }
    }

    /// The same together with the last change of a table.
    pub(crate) async fn change_catalog_and(
        &self,
        table: Option<(Arc<TableVersion>, Arc<TableChanges>)>,
        changes: impl Fn(&CatalogSnapshot) -> Result<Vec<Change>>,
    ) -> Result<()> {
        let Some(table) = table else { return self.change_catalog(changes).await };
        if self.transaction_status() != TransactionStatus::Idle {
            self.transaction.lock().retire(table);
            return self.change_catalog(changes).await;
        }
        let changes = changes(&self.latest_catalog())?;
        if changes.iter().any(|change| is_temporary(&change.object)) {
            self.change_temporary(&changes);
            return Ok(());
        }
        let sessions = Arc::clone(&self.sessions);
        self.committing(async move { sessions.catalog.commit_all(sessions.engine.tables(), &changes, vec![table]).await }).await
    }

    /// Parses a whole text. A syntax error anywhere in it runs nothing.
    pub fn parse(&self, sql: &str) -> Result<Vec<Statement>> {
        parser::parse(sql, self.dialect)
    }

    /// Plans a statement without running it. `parameter_types` are the types that the client declared for `$1`, `$2`, …
    pub async fn prepare(
        self: &Arc<Self>,
        statement: &Statement,
        parameter_types: &[Option<DataType>],
    ) -> Result<PreparedStatement> {
        let prepare = async {
            self.check_transaction(statement)?;
            statement::prepare(self, statement, parameter_types).await
        };
        let prepare = StatementScope::within(Some(Arc::default()), prepare);
        let outcome = self.until_canceled(prepare).await;
        outcome.inspect_err(|_| self.statement_failed())
    }

    /// Runs a prepared statement with a value for each parameter, which is cast to the parameter's type.
    pub async fn execute(
        self: &Arc<Self>,
        prepared: &PreparedStatement,
        parameters: &[ScalarValue],
    ) -> Result<Response> {
        let run = running::RunningStatement::start(self, statement::kind(prepared.statement()), &prepared.statement().shown());
        let execute = async {
            self.check_transaction(prepared.statement())?;
            let response = statement::execute(self, prepared, parameters).await?;
            if statement::may_end_transaction(prepared.statement()) {
                self.end_transaction_of_temporary().await;
            }
            Ok(response)
        };
        let execute = StatementScope::within(Some(run.scope()), execute).boxed();
        let outcome = match statement::changes_catalog(prepared.statement()) {
            true => execute.await,
            false => run.until_canceled(execute).await,
        };
        match outcome {
            Ok(response) => Ok(run.wrap(response)),
            Err(error) => {
                self.statement_failed();
                run.failed(&error);
                Err(error)
            }
        }
    }

    /// Prepares and executes a statement without parameters.
    pub async fn run(self: &Arc<Self>, statement: &Statement) -> Result<Response> {
        let prepared = self.prepare(statement, &[]).await?;
        self.execute(&prepared, &[]).await
    }

    /// Cancels everything this session runs now.
    pub fn cancel(&self) {
        std::mem::take(&mut *self.running.lock()).cancel();
    }

    /// A setting's value as SHOW prints it. Names are compared without case.
    pub fn setting(&self, name: &str) -> Option<String> {
        if name.eq_ignore_ascii_case("is_superuser") {
            let is_superuser = privileges::is_superuser(&self.latest_catalog(), &self.role());
            return Some(if is_superuser { "on" } else { "off" }.to_owned());
        }
        self.settings.lock().show(name)
    }

    /// How long a statement may take that starts now; `None` is no limit. Rows end by themselves when they are late, but
    /// only while they are asked for: a front end that waits for its client looks at the clock itself.
    pub fn statement_timeout(&self) -> Option<Duration> {
        self.settings.lock().statement_timeout()
    }

    /// How long the client may be silent now; `None` is no limit.
    pub fn idle_timeout(&self) -> Option<Duration> {
        let key = match self.transaction_status() {
            TransactionStatus::Idle => "idle_session_timeout",
            TransactionStatus::InTransaction | TransactionStatus::Failed => "idle_in_transaction_session_timeout",
        };
        self.settings.lock().timeout(key)
    }

    /// Like `SET name TO value`.
    pub fn set_setting(&self, name: &str, value: &str) -> Result<()> {
        self.settings.lock().set(name, value)
    }

    pub(crate) fn settings<T>(&self, use_settings: impl FnOnce(&mut Settings) -> T) -> T {
        use_settings(&mut self.settings.lock())
    }

    pub fn transaction_status(&self) -> TransactionStatus {
        self.transaction.lock().status()
    }

    /// The transaction block, if there is one, accepts nothing but its end from now on. Front ends call this for errors
    /// that happened outside [`Session::execute`].
    pub fn statement_failed(&self) {
        self.transaction.lock().fail();
    }

    /// Makes the statements that follow one transaction, until [`Session::end_implicit_block`], a COMMIT or a ROLLBACK; does
    /// nothing in a block. A BEGIN makes what came before part of its block.
    pub fn begin_implicit_block(&self) {
        let settings = self.settings(|settings| settings.clone());
        self.transaction.lock().begin_implicit(&settings);
    }

    /// Ends the transaction of statements without BEGIN, if there is one: with what they have done, unless one has failed.
    pub async fn end_implicit_block(self: &Arc<Self>) -> Result<()> {
        let (is_implicit, status) = {
            let transaction = self.transaction.lock();
            (transaction.is_implicit(), transaction.status())
        };
        if !is_implicit {
            return Ok(());
        }
        let end = statement::transaction::finish(self, status == TransactionStatus::InTransaction, "COMMIT");
        StatementScope::within(Some(Arc::default()), end).await?;
        self.end_transaction_of_temporary().await;
        Ok(())
    }

    pub(crate) fn transaction<T>(&self, use_transaction: impl FnOnce(&mut Transaction) -> T) -> T {
        use_transaction(&mut self.transaction.lock())
    }

    fn check_transaction(&self, statement: &Statement) -> Result<()> {
        let failed = self.transaction_status() == TransactionStatus::Failed;
        match failed && !statement::ends_failed_transaction(statement) {
            true => Err(Error::InFailedTransaction),
            false => Ok(()),
        }
    }

    /// Statements prepared under a name, by SQL or by a protocol: both share their names.
    pub fn prepared(&self, name: &str) -> Option<PreparedStatement> {
        self.prepared.lock().get(name).cloned()
    }

    /// The columns of a cursor, and where they are from.
    pub fn cursor(&self, name: &str) -> Option<(SchemaRef, Vec<Option<ColumnOrigin>>)> {
        let cursor = self.cursors.find(name).ok()?;
        Some((Arc::clone(&cursor.schema), cursor.origins.clone()))
    }

    /// Keeps a prepared statement under a name. The empty name may be overwritten, others may not.
    pub fn store_prepared(&self, name: &str, statement: PreparedStatement) -> Result<()> {
        let mut prepared = self.prepared.lock();
        if !name.is_empty() && prepared.contains_key(name) {
            return Err(Error::DuplicatePreparedStatement { name: name.to_owned() });
        }
        if prepared.len() >= PREPARED_STATEMENTS_MAX {
            return Err(Error::Classified {
                sql_state: crate::SqlState::PROGRAM_LIMIT_EXCEEDED,
                message: format!("the session already has {PREPARED_STATEMENTS_MAX} prepared statements"),
                detail: None,
                hint: Some("Deallocate some.".into()),
                position: None,
            });
        }
        prepared.insert(name.to_owned(), statement);
        Ok(())
    }

    /// Forgets a prepared statement; `false` if there was none.
    pub fn deallocate(&self, name: &str) -> bool {
        self.prepared.lock().remove(name).is_some()
    }

    /// Forgets all prepared statements.
    pub fn deallocate_all(&self) {
        self.prepared.lock().clear();
    }

    pub(crate) fn notify(&self, notice: Notice) {
        self.notices.lock().push(notice);
    }

    /// What the statements since the last call had to say.
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.notices.lock())
    }

    /// Does what must not be left half done: it goes on when the client goes away, and a statement that is cancelled
    /// meanwhile goes on too.
    pub(crate) async fn committing<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        StatementScope::set_committing(true);
        let done = tokio::spawn(work).await;
        StatementScope::set_committing(false);
        done.unwrap_or_else(|error| Err(engine::CommitError::Unfinished { reason: error.to_string() }.into()))
    }

    /// The same for what a client that goes away may interrupt: then nothing of it is done.
    pub(crate) async fn uncancelled<T>(&self, work: impl Future<Output = T>) -> T {
        StatementScope::set_committing(true);
        let done = work.await;
        StatementScope::set_committing(false);
        done
    }

    fn statement_token(&self) -> CancellationToken {
        self.running.lock().child_token()
    }

    async fn until_canceled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let token = self.statement_token();
        tokio::select! {
            biased;
            () = token.cancelled() => Err(Error::QueryCanceled),
            outcome = work => outcome,
        }
    }
}
