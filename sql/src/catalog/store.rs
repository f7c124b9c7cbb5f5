//! The catalog at rest: in SQLite for one server, in PostgreSQL for several. The same SQL serves both.

mod journal;

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Any, AnyPool, Executor, Row, SqlSafeStr, Transaction};
use url::Url;
use uuid::Uuid;

use super::grants::Grants;
use super::BOOTSTRAP_ROLE;
use super::object::{Change, Definition, Object};
use super::role::PREDEFINED;

/// Statements of one server at a time; more wait.
const CONNECTIONS_MAX: u32 = 4;
/// How long a statement waits for a connection, and a server that starts for a database that does not answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the catalog could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed the same object, or made one of that name, in the meantime.
    #[error("the catalog was changed by another transaction")]
    Conflict,
    #[error("the catalog store failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the catalog store cannot be brought to this version: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("object {oid} of the catalog store cannot be read by this version: {message}")]
    Damaged { oid: i64, message: String },
}

type Result<T> = std::result::Result<T, StoreError>;

#[derive(Debug)]
pub struct CatalogStore {
    pool: AnyPool,
    /// Whether other servers have it open too.
    is_shared: bool,
}

/// Objects that changed, and the version that has all of them.
#[derive(Debug)]
pub struct Changed {
    pub version: u64,
    pub objects: Vec<Object>,
}

impl CatalogStore {
    /// Opens the file of a server that has its catalog for itself, or makes it.
    pub async fn open_file(path: &Path) -> Result<Self> {
        // It holds verifiers of passwords: it is for the server's user alone.
        let made = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        made.map_err(|error| StoreError::Database(sqlx::Error::Io(error)))?;
        // In a URL `?` and its like mean something.
        let path = path.to_string_lossy();
        let encoded: Vec<_> = path.split('/').map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string()).collect();
        let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 30000";
        Self::open(&format!("sqlite://{}?mode=rwc", encoded.join("/")), pragmas, false).await
    }

    /// Opens a database that several servers share: `postgres://user:password@host/database`.
    pub async fn open_database(url: &Url) -> Result<Self> {
        // What a server holds that cannot be reached any more is free again soon. Whatever it was about to do is then settled
        // by another one: see `joint_commit`.
        let settings = "SET application_name = 'arbalest'; SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s';
             SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3";
        Self::open(url.as_str(), settings, true).await
    }

    async fn open(url: &str, settings: &'static str, is_shared: bool) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let options = AnyPoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(CONNECTION_TIMEOUT);
        let options = options.after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(settings).await?;
                Ok(())
            })
        });
        let pool = options.connect(url).await?;
        migrations().run(&pool).await?;
        Ok(Self { pool, is_shared })
    }

    /// Oids that nothing has or had.
    pub async fn reserve_oids(&self, count: u32) -> Result<Range<u32>> {
        let end: i64 = sqlx::query_scalar("UPDATE catalog_state SET next_oid = next_oid + $1 RETURNING next_oid")
            .bind(i64::from(count))
            .fetch_one(&self.pool)
            .await?;
        let end = u32::try_from(end).map_err(|_| StoreError::Damaged { oid: end, message: "no oid is left".into() })?;
        Ok(end - count..end)
    }

    /// The oid of the table of this name that is not in the catalog.
    pub async fn served_oid(&self, name: &str) -> Result<u32> {
        let oid = self.reserve_oids(1).await?.start;
        let sql = "INSERT INTO catalog_served (name, oid) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET name = $1 RETURNING oid";
        let oid: i64 = sqlx::query_scalar(sql).bind(name).bind(i64::from(oid)).fetch_one(&self.pool).await?;
        oid_of(oid)
    }

    /// All objects that changed after `version`.
    pub async fn changed_since(&self, version: u64) -> Result<Changed> {
        let sql = "SELECT oid, parent, name, owner, grants, definition, version, dropped FROM catalog_object WHERE version > $1";
        let rows = sqlx::query(sql).bind(version.cast_signed()).fetch_all(&self.pool).await?;
        let objects = rows.iter().map(object_of).collect::<Result<Vec<_>>>()?;
        let version = objects.iter().map(|object| object.version).fold(version, u64::max);
        Ok(Changed { version, objects })
    }

    /// Makes all of `changes` or none. Gives the version that has them.
    pub async fn commit(&self, changes: &[Change]) -> Result<u64> {
        self.prepare(changes).await?.commit().await
    }

    /// Makes all of `changes`, or finds that they cannot be made; nobody sees them yet, and nobody else makes any.
    pub async fn prepare(&self, changes: &[Change]) -> Result<Prepared> {
        let mut transaction = self.pool.begin().await?;
        let version: i64 = sqlx::query_scalar("UPDATE catalog_state SET version = version + 1 RETURNING version")
            .fetch_one(&mut *transaction)
            .await?;
        // Two objects may exchange their names: all that change give up theirs first.
        for Change { object, seen } in changes {
            if let Some(seen) = seen {
                let sql = "UPDATE catalog_object SET name = $1, dropped = 1 WHERE oid = $2 AND version = $3 AND dropped = 0";
                let update = sqlx::query(sql).bind(object.oid.to_string()).bind(i64::from(object.oid));
                one(update.bind(seen.cast_signed()).execute(&mut *transaction).await?.rows_affected())?;
            }
        }
        for change in changes {
            write(&mut transaction, change, version).await?;
        }
        check_parents(&mut transaction, changes).await?;
        check_dependencies(&mut transaction, changes).await?;
        check_roles(&mut transaction, changes).await?;
        Ok(Prepared { transaction, version: version.cast_unsigned() })
    }
}

/// Changes that are made when they are committed; dropping them forgets them.
pub struct Prepared {
    transaction: Transaction<'static, Any>,
    version: u64,
}

impl Prepared {
    /// Forgets a journal, if the changes are made.
    pub async fn forget_journal(&mut self, id: Uuid) -> Result<()> {
        journal::delete(&mut *self.transaction, id).await
    }

    /// Gives the version that has them.
    pub async fn commit(self) -> Result<u64> {
        self.transaction.commit().await?;
        Ok(self.version)
    }
}

async fn write(transaction: &mut Transaction<'_, Any>, change: &Change, version: i64) -> Result<()> {
    let Change { object, seen } = change;
    let sql = match seen {
        Some(_) => {
            "UPDATE catalog_object SET name_space = $2, parent = $3, name = $4, owner = $5, definition = $6, version = $7,
             dropped = $8, grants = $9 WHERE oid = $1"
        }
        None => {
            "INSERT INTO catalog_object (oid, name_space, parent, name, owner, definition, version, dropped, grants)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        }
    };
    let encode = |error: serde_json::Error| sqlx::Error::Encode(error.into());
    let definition = serde_json::to_string(&object.definition).map_err(encode)?;
    let grants = if object.grants.is_empty() { String::new() } else { serde_json::to_string(&object.grants).map_err(encode)? };
    let written = sqlx::query(sql)
        .bind(i64::from(object.oid))
        .bind(object.definition.name_space())
        .bind(i64::from(object.parent))
        .bind(&object.name)
        .bind(&object.owner)
        .bind(definition)
        .bind(version)
        .bind(i64::from(object.dropped))
        .bind(grants)
        .execute(&mut **transaction)
        .await;
    match written {
        Ok(written) => one(written.rows_affected()),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(StoreError::Conflict),
        Err(error) => Err(error.into()),
    }
}

/// What is in a schema that another transaction drops, or drops a schema in which another one made something, cannot be.
async fn check_parents(transaction: &mut Transaction<'_, Any>, changes: &[Change]) -> Result<()> {
    for Change { object, .. } in changes {
        let (sql, oid) = match object.dropped {
            true => ("SELECT count(*) FROM catalog_object WHERE parent = $1 AND dropped = 0", object.oid),
            false => ("SELECT count(*) FROM catalog_object WHERE oid = $1 AND dropped = 1", object.parent),
        };
        let wrong: i64 = sqlx::query_scalar(sql).bind(i64::from(oid)).fetch_one(&mut **transaction).await?;
        if wrong > 0 {
            return Err(StoreError::Conflict);
        }
    }
    Ok(())
}

/// A view cannot be made of what another transaction has dropped.
async fn check_dependencies(transaction: &mut Transaction<'_, Any>, changes: &[Change]) -> Result<()> {
    const DROPPED: &str = "SELECT count(*) FROM catalog_object WHERE oid = $1 AND dropped = 1";
    for change in changes.iter().filter(|change| change.seen.is_none()) {
        for oid in change.object.definition.depends_on() {
            let dropped: i64 = sqlx::query_scalar(DROPPED).bind(i64::from(*oid)).fetch_one(&mut **transaction).await?;
            if dropped > 0 {
                return Err(StoreError::Conflict);
            }
        }
    }
    Ok(())
}

/// Roles that another transaction drops cannot own anything, or be granted something.
async fn check_roles(transaction: &mut Transaction<'_, Any>, changes: &[Change]) -> Result<()> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for object in changes.iter().map(|change| &change.object).filter(|object| !object.dropped) {
        names.insert(&object.owner);
        names.extend(object.grants.grantees());
        if let Definition::Role(role) = &object.definition {
            names.extend(role.member_of.keys().map(String::as_str));
        }
    }
    names.retain(|name| *name != BOOTSTRAP_ROLE && !PREDEFINED.contains(name));
    const ROLES: &str = "SELECT count(*) FROM catalog_object WHERE name_space = 'role' AND parent = 0 AND dropped = 0";
    const ROLE: &str = "SELECT count(*) FROM catalog_object WHERE name_space = 'role' AND parent = 0 AND dropped = 0 AND name = $1";
    for name in names {
        let found: i64 = sqlx::query_scalar(ROLE).bind(name).fetch_one(&mut **transaction).await?;
        if found > 0 {
            continue;
        }
        // Before there are roles, owners have names only.
        let all: i64 = sqlx::query_scalar(ROLES).fetch_one(&mut **transaction).await?;
        if all > 0 {
            return Err(StoreError::Conflict);
        }
    }
    Ok(())
}

fn one(rows: u64) -> Result<()> {
    if rows == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

fn oid_of(oid: i64) -> Result<u32> {
    u32::try_from(oid).map_err(|error| StoreError::Damaged { oid, message: error.to_string() })
}

fn object_of(row: &AnyRow) -> Result<Object> {
    let oid: i64 = row.try_get("oid")?;
    let (version, dropped): (i64, i64) = (row.try_get("version")?, row.try_get("dropped")?);
    let (definition, grants): (String, String) = (row.try_get("definition")?, row.try_get("grants")?);
    let damaged = |error: serde_json::Error| StoreError::Damaged { oid, message: error.to_string() };
    let definition = serde_json::from_str(&definition).map_err(damaged)?;
    let grants = if grants.is_empty() { Grants::default() } else { serde_json::from_str(&grants).map_err(damaged)? };
    Ok(Object {
        oid: oid_of(oid)?,
        parent: oid_of(row.try_get("parent")?)?,
        name: row.try_get("name")?,
        owner: row.try_get("owner")?,
        grants,
        definition,
        version: version.cast_unsigned(),
        dropped: dropped != 0,
    })
}

fn migrations() -> Migrator {
    let migration = |version, description: &'static str, sql: &'static str| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(vec![
        migration(1, "objects", include_str!("store/migrations/1_objects.sql")),
        migration(2, "grants", include_str!("store/migrations/2_grants.sql")),
        migration(3, "journal", include_str!("store/migrations/3_journal.sql")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: u32 = 2_200;

    /// One store as two servers have it open.
    async fn stores(directory: &Path) -> [CatalogStore; 2] {
        // `?` and blanks are no part of a URL.
        let path = directory.join("what is it? a catalog");
        let open = async || CatalogStore::open_file(&path).await.expect("opens");
        [open().await, open().await]
    }

    fn schema() -> Definition {
        Definition::Schema { comment: None }
    }

    async fn create(store: &CatalogStore, parent: u32, name: &str) -> Change {
        let oid = store.reserve_oids(1).await.expect("an oid").start;
        Change::create(oid, parent, name, "me", schema())
    }

    async fn object(store: &CatalogStore, name: &str) -> Object {
        let all = store.changed_since(0).await.expect("reads").objects;
        all.into_iter().find(|object| object.name == name && !object.dropped).expect("is there")
    }

    #[tokio::test]
    async fn a_commit_is_seen_by_others_as_a_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let [one, other] = stores(directory.path()).await;
        let before = other.changed_since(0).await.expect("reads");
        assert_eq!(before.objects.iter().map(|object| (object.oid, &*object.name)).collect::<Vec<_>>(), [(PUBLIC, "public")]);
        let changes = [create(&one, 0, "a").await, create(&other, 0, "b").await];
        assert_ne!(changes[0].object.oid, changes[1].object.oid);
        let version = one.commit(&changes).await.expect("commits");
        let changed = other.changed_since(before.version).await.expect("reads");
        assert_eq!(changed.version, version);
        let expected: Vec<Object> = changes.into_iter().map(|change| Object { version, ..change.object }).collect();
        assert_eq!(changed.objects, expected);
        assert!(other.changed_since(version).await.expect("reads").objects.is_empty());
    }

    #[tokio::test]
    async fn the_second_of_two_that_change_the_same_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let [one, other] = stores(directory.path()).await;
        one.commit(&[create(&one, 0, "a").await]).await.expect("commits");
        let seen = object(&one, "a").await;
        let rename = |name: &str| Change::alter(&seen, |object| object.name = name.into());
        one.commit(&[rename("b")]).await.expect("commits");
        let version = one.changed_since(0).await.expect("reads").version;
        for changes in [
            vec![create(&other, 0, "c").await, create(&other, 0, "b").await],
            vec![create(&other, 0, "c").await, rename("d")],
            vec![create(&other, 0, "c").await, Change::drop(&seen)],
        ] {
            assert!(matches!(other.commit(&changes).await, Err(StoreError::Conflict)));
            assert!(other.changed_since(version).await.expect("reads").objects.is_empty());
        }
        assert_eq!(object(&other, "b").await.oid, seen.oid);
    }

    #[tokio::test]
    async fn nothing_is_left_in_a_schema_that_is_dropped() {
        let directory = tempfile::tempdir().expect("a directory");
        let [one, other] = stores(directory.path()).await;
        one.commit(&[create(&one, 0, "a").await]).await.expect("commits");
        let seen = object(&one, "a").await;
        one.commit(&[create(&one, seen.oid, "in a").await]).await.expect("commits");
        assert!(matches!(other.commit(&[Change::drop(&seen)]).await, Err(StoreError::Conflict)));
        let child = object(&other, "in a").await;
        other.commit(&[Change::drop(&seen), Change::drop(&child)]).await.expect("commits");
        assert!(matches!(one.commit(&[create(&one, seen.oid, "late").await]).await, Err(StoreError::Conflict)));
        // The name is free, the oid is not.
        one.commit(&[create(&one, 0, "a").await]).await.expect("commits");
        assert_ne!(object(&one, "a").await.oid, seen.oid);
    }

    #[tokio::test]
    async fn two_objects_exchange_their_names() {
        let directory = tempfile::tempdir().expect("a directory");
        let [store, _] = stores(directory.path()).await;
        store.commit(&[create(&store, 0, "a").await, create(&store, 0, "b").await]).await.expect("commits");
        let (a, b) = (object(&store, "a").await, object(&store, "b").await);
        let rename = |object: &Object, name: &str| Change::alter(object, |object| object.name = name.into());
        store.commit(&[rename(&a, "b"), rename(&b, "a")]).await.expect("commits");
        assert_eq!((object(&store, "a").await.oid, object(&store, "b").await.oid), (b.oid, a.oid));
    }

    #[tokio::test]
    async fn a_served_table_keeps_its_oid() {
        let directory = tempfile::tempdir().expect("a directory");
        let [one, other] = stores(directory.path()).await;
        let oid = one.served_oid("lineitem").await.expect("an oid");
        assert_ne!(one.served_oid("orders").await.expect("an oid"), oid);
        assert_eq!(other.served_oid("lineitem").await.expect("an oid"), oid);
    }
}
