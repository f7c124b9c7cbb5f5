//! Journals of transactions: see [`joint_commit`](crate::catalog::joint_commit).

use std::time::Duration;

use chrono::Utc;
use sqlx::any::AnyRow;
use sqlx::{Any, Executor, Row, Transaction};
use uuid::Uuid;

use super::{CatalogStore, Result};

/// How long one server waits for another's.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '30s'";
/// Any number will do, if all servers have the same.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7462913)";

/// See [`CatalogStore::lock`].
pub struct Lock(#[expect(dead_code, reason = "its end is the lock's")] Option<Transaction<'static, Any>>);

impl CatalogStore {
    /// Waits until no other server has this, nor one that has died. A process takes it once at a time: each takes one of its
    /// few connections.
    pub async fn lock(&self) -> Result<Lock> {
        if !self.is_shared {
            return Ok(Lock(None));
        }
        let mut transaction = self.pool.begin().await?;
        sqlx::query(LOCK_TIMEOUT).execute(&mut *transaction).await?;
        sqlx::query(LOCK).execute(&mut *transaction).await?;
        Ok(Lock(Some(transaction)))
    }

    /// Keeps a journal until it is forgotten.
    pub async fn write_journal(&self, id: Uuid, journal: &str) -> Result<()> {
        let sql = "INSERT INTO catalog_journal (id, written, changes) VALUES ($1, $2, $3)";
        let insert = sqlx::query(sql).bind(id.to_string()).bind(Utc::now().timestamp_millis()).bind(journal.to_owned());
        insert.execute(&self.pool).await?;
        Ok(())
    }

    /// The journals that were written that long ago, or longer.
    pub async fn journals(&self, age: Duration) -> Result<Vec<(Uuid, String)>> {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let sql = "SELECT id, changes FROM catalog_journal WHERE written <= $1 ORDER BY written";
        let rows = sqlx::query(sql).bind(Utc::now().timestamp_millis().saturating_sub(age)).fetch_all(&self.pool).await?;
        let journal = |row: &AnyRow| {
            let id: String = row.try_get("id")?;
            Ok((id.parse().map_err(|error: uuid::Error| sqlx::Error::Decode(error.into()))?, row.try_get("changes")?))
        };
        rows.iter().map(journal).collect()
    }

    pub async fn forget_journal(&self, id: Uuid) -> Result<()> {
        delete(&self.pool, id).await
    }
}

pub(super) async fn delete(executor: impl Executor<'_, Database = Any>, id: Uuid) -> Result<()> {
    sqlx::query("DELETE FROM catalog_journal WHERE id = $1").bind(id.to_string()).execute(executor).await?;
    Ok(())
}
