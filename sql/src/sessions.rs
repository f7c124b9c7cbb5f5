//! All sessions of a server: open, find, cancel, close.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use dashmap::DashMap;
use engine::{Engine, MadeSecret};
use parking_lot::Mutex;
use udfs::postgres::quote::quoted_identifier;
use url::Url;

use crate::catalog::grants::Privilege;
use crate::catalog::location::LocationRules;
use crate::catalog::sealing::SealingKey;
use crate::catalog::{Catalog, CatalogSnapshot};
use crate::error::{Error, Result};
use crate::parser::Dialect;
use crate::privileges::{Rights, is_superuser, memberships, secured_database};
use crate::session::{Session, SessionId, now_micros};
use crate::sql_state::SqlState;
use crate::statement;

/// Limits and defaults of sessions.
#[derive(Clone, Debug)]
pub struct SqlConfig {
    /// Reported by `server_version` and `version()` after PostgreSQL's.
    pub version: String,
    /// Where new tables are kept, with a slash at the end.
    pub warehouse: Url,
    /// What statements may name.
    pub locations: LocationRules,
    /// What seals the secrets that are made in SQL.
    pub sealing_key: SealingKey,
}

/// What a front end knows of a client that connects.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    pub user: String,
    /// `None` is the default database.
    pub database: Option<String>,
    pub dialect: Dialect,
    pub settings: Vec<(String, String)>,
    pub client_address: Option<std::net::SocketAddr>,
}

/// Names a session to cancel it. The secret is not guessable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CancelKey {
    pub process_id: i32,
    pub secret: i32,
}

/// The sessions of a server and what they share.
#[derive(Debug)]
pub struct Sessions {
    pub(crate) config: SqlConfig,
    pub(crate) engine: Arc<Engine>,
    pub(crate) catalog: Arc<Catalog>,
    sessions: DashMap<SessionId, Arc<Session>>,
    by_process_id: DashMap<i32, (i32, SessionId)>,
    /// Microseconds since 1970.
    started: i64,
}

impl Sessions {
    pub fn new(config: SqlConfig, engine: Arc<Engine>, catalog: Arc<Catalog>) -> Arc<Self> {
        let (secrets, key) = (engine.object_stores().secrets().clone(), config.sealing_key.clone());
        let opened = Mutex::new(HashMap::new());
        catalog.observe(move |snapshot| secrets.replace_made(opened_secrets(snapshot, &key, &mut opened.lock())));
        Arc::new(Self { config, engine, catalog, sessions: DashMap::new(), by_process_id: DashMap::new(), started: now_micros() })
    }

    /// Opens a session. It lives until [`Sessions::close`].
    pub fn open(self: &Arc<Self>, options: SessionOptions) -> Result<Arc<Session>> {
        let snapshot = self.catalog.snapshot();
        let database = options.database.clone().unwrap_or_else(|| snapshot.database.clone());
        // libpq names the database after the user when told none.
        if database != snapshot.database && options.database.as_deref() != Some(options.user.as_str()) {
            return Err(Error::UndefinedDatabase { name: database });
        }
        let options = self.as_role(&snapshot, options)?;
        let id = SessionId::random();
        let key = self.reserve_key(id);
        let session = Session::open(Arc::clone(self), id, key, snapshot.database.clone(), options).inspect_err(|_| {
            self.by_process_id.remove(&key.process_id);
        })?;
        self.sessions.insert(id, Arc::clone(&session));
        crate::metrics::session_opened();
        Ok(session)
    }

    /// Whether a user is a role, or a member of it.
    pub fn is_member(&self, user: &str, role: &str) -> bool {
        memberships(&self.catalog.snapshot(), user, false).contains(role)
    }

    pub fn is_superuser(&self, user: &str) -> bool {
        is_superuser(&self.catalog.snapshot(), user)
    }

    /// The SCRAM verifier of a user's password, in PostgreSQL's form, unless the password is good no longer.
    pub fn password_verifier(&self, user: &str) -> Option<String> {
        let snapshot = self.catalog.snapshot();
        let (_, role) = snapshot.role(user)?;
        let until = role.valid_until.as_deref().and_then(|until| DateTime::parse_from_rfc3339(until).ok());
        let is_good = until.is_none_or(|until| until > Utc::now());
        role.verifier.clone().filter(|_| is_good)
    }

    /// `options` with the settings of the role that connects, if it may.
    fn as_role(&self, snapshot: &CatalogSnapshot, mut options: SessionOptions) -> Result<SessionOptions> {
        let user = &options.user;
        let refused = |message: String, hint: Option<String>| {
            let sql_state = SqlState::INVALID_AUTHORIZATION_SPECIFICATION;
            Error::Classified { sql_state, message, detail: None, hint, position: None }
        };
        let Some((_, role)) = snapshot.role(user) else {
            // As long as nobody has said who there is, everybody is somebody.
            return match is_superuser(snapshot, user) {
                true => Ok(options),
                false => {
                    let hint = format!("A superuser can make it: CREATE ROLE {} LOGIN.", quoted_identifier(user));
                    Err(refused(format!("role \"{user}\" does not exist"), Some(hint)))
                }
            };
        };
        if !role.login {
            return Err(refused(format!("role \"{user}\" is not permitted to log in"), None));
        }
        let open = || self.sessions.iter().filter(|session| session.user() == user).count();
        if role.connection_limit.is_some_and(|limit| !role.superuser && open() >= limit as usize) {
            return Err(Error::classified(SqlState::TOO_MANY_CONNECTIONS, format!("too many connections for role \"{user}\"")));
        }
        Rights::of(snapshot, user).check(&secured_database(snapshot), Privilege::Connect)?;
        // What the client says itself comes last.
        let own = role.settings.iter().map(|(name, value)| (name.clone(), value.clone()));
        options.settings = own.chain(std::mem::take(&mut options.settings)).collect();
        Ok(options)
    }

    fn reserve_key(&self, id: SessionId) -> CancelKey {
        loop {
            // Positive, as process ids are.
            let process_id = rand::random_range(1..i32::MAX);
            let secret = rand::random();
            if let dashmap::Entry::Vacant(entry) = self.by_process_id.entry(process_id) {
                entry.insert((secret, id));
                return CancelKey { process_id, secret };
            }
        }
    }

    pub fn get(&self, id: SessionId) -> Option<Arc<Session>> {
        self.sessions.get(&id).map(|session| Arc::clone(&session))
    }

    /// Cancels what a session runs. An unknown key or a wrong secret changes nothing.
    pub fn cancel(&self, key: CancelKey) {
        let id = self.by_process_id.get(&key.process_id).and_then(|entry| (entry.0 == key.secret).then_some(entry.1));
        if let Some(session) = id.and_then(|id| self.get(id)) {
            session.cancel();
        }
    }

    /// Cancels what a session runs and forgets it.
    pub fn close(&self, id: SessionId) {
        if let Some((_, session)) = self.sessions.remove(&id) {
            self.by_process_id.remove(&session.cancel_key().process_id);
            session.cancel();
            statement::abandon(&session);
            crate::metrics::session_closed();
        }
    }

    /// When this server started: microseconds since 1970.
    pub(crate) fn started_micros(&self) -> i64 {
        self.started
    }

    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.sessions.iter().map(|session| Arc::clone(&session)).collect()
    }

    /// The session that `pg_backend_pid()` has this number in.
    pub(crate) fn by_process_id(&self, process_id: i32) -> Option<Arc<Session>> {
        let id = self.by_process_id.get(&process_id).map(|entry| entry.1)?;
        self.get(id)
    }

    /// Sessions open now.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}

/// By oid and version, secrets that were opened, or could not be.
type Opened = HashMap<(u32, u64), Option<MadeSecret>>;

/// The secrets of a catalog that this server can open. `known` are those that it has looked at.
fn opened_secrets(snapshot: &CatalogSnapshot, key: &SealingKey, known: &mut Opened) -> BTreeMap<String, MadeSecret> {
    let mut all = Opened::new();
    let mut opened = BTreeMap::new();
    for (object, secret) in snapshot.secrets() {
        let id = (object.oid, object.version);
        let open = || {
            let opened = secret.open(key, &object.name);
            opened.inspect_err(|reason| tracing::warn!(secret = object.name, reason, "a secret cannot be used")).ok()
        };
        let secret = known.remove(&id).unwrap_or_else(open);
        opened.extend(secret.clone().map(|secret| (object.name.clone(), secret)));
        all.insert(id, secret);
    }
    *known = all;
    opened
}
