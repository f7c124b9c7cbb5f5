//! Tables as of one moment, of which several are read.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use deltalake::kernel::Action;
use url::Url;
use uuid::Uuid;

use super::commit::id_of;
use super::history::{Moment, time_of};
use super::ledger::{ReadPoint, Standing};
use super::version::{DeltaTables, TableVersion};
use crate::error::Result;

/// How often a reader without a moment looks for one at which nothing is half made.
const ATTEMPTS_MAX: u32 = 10;

/// What made a version of a table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin {
    /// If it was a commit of ours.
    pub(super) id: Option<Uuid>,
    pub(super) time: Option<DateTime<Utc>>,
}

/// How long the moment lasts at which tables are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFor {
    /// What other processes commit while it runs may be seen.
    Statement,
    Transaction,
}

impl DeltaTables {
    /// A moment between commits of this process.
    pub fn now(&self) -> ReadPoint {
        self.ledger.now()
    }

    /// The table as it is now, and a moment at which it is so.
    pub async fn read(&self, location: &Url) -> Result<(Arc<TableVersion>, ReadPoint)> {
        for _ in 0..ATTEMPTS_MAX {
            let point = self.ledger.now();
            let latest = self.latest(location).await?;
            if self.ledger.is_quiet_since(point) {
                return Ok((latest, point));
            }
            let id = self.origin(&latest).await?.id;
            match id.and_then(|id| Some((id, self.ledger.standing(id, point)?))) {
                Some((id, Standing::InProgress)) => {
                    if !self.ledger.wait_for(id).await {
                        break;
                    }
                }
                Some((_, Standing::Later(then))) => return Ok((latest, then)),
                Some((_, Standing::Visible)) => return Ok((latest, point)),
                // Others have gone on, perhaps on top of what is half made.
                None => return Ok((self.as_of(location, point, ReadFor::Statement).await?, point)),
            }
        }
        let point = self.ledger.now();
        Ok((self.as_of(location, point, ReadFor::Statement).await?, point))
    }

    /// The table as it was at a moment. The first version is there at any.
    pub async fn as_of(&self, location: &Url, point: ReadPoint, reads: ReadFor) -> Result<Arc<TableVersion>> {
        let latest = self.latest(location).await?;
        if reads == ReadFor::Statement && self.ledger.is_quiet_since(point) {
            return Ok(latest);
        }
        let mut newest = self.below_hidden(&latest, point).await?;
        if newest == latest.number {
            if newest == 0 || self.is_visible(self.origin(&latest).await?, point, reads) {
                return Ok(latest);
            }
            newest -= 1;
        }
        for number in (1..=newest).rev() {
            if self.is_visible(self.origin_of(location, number).await?, point, reads) {
                return self.at(location, Moment::Version(number)).await;
            }
        }
        self.at(location, Moment::Version(0)).await
    }

    /// The newest version that has none of the commits of several tables that are not to be seen.
    async fn below_hidden(&self, latest: &TableVersion, point: ReadPoint) -> Result<u64> {
        let mut newest = latest.number;
        for (id, base) in self.ledger.hidden(&latest.location, point) {
            for number in base + 1..=newest {
                if self.origin_of(&latest.location, number).await?.id == Some(id) {
                    newest = number - 1;
                    break;
                }
            }
        }
        Ok(newest)
    }

    fn is_visible(&self, origin: Origin, point: ReadPoint, reads: ReadFor) -> bool {
        match origin.id.and_then(|id| self.ledger.standing(id, point)) {
            Some(standing) => matches!(standing, Standing::Visible),
            None => reads == ReadFor::Statement || origin.time.is_none_or(|time| point.is_after(time)),
        }
    }

    async fn origin(&self, version: &TableVersion) -> Result<Origin> {
        let read = || self.origin_of(&version.location, version.number);
        version.origin.get_or_try_init(read).await.copied()
    }

    async fn origin_of(&self, location: &Url, number: u64) -> Result<Origin> {
        // An entry that is not in the log any more is an old one.
        let actions = self.log_entry(location, number).await?.unwrap_or_default();
        let info = actions.iter().find_map(|action| match action {
            Action::CommitInfo(info) => Some((action, info)),
            _ => None,
        });
        Ok(info.map_or_else(Origin::default, |(action, info)| Origin { id: id_of(action), time: time_of(info) }))
    }
}
