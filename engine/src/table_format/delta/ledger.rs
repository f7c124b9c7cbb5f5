//! Which commits of this process a reader sees: those of several tables all at once, and none before those that it was
//! made after.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::sync::Notify;
use url::Url;
use uuid::Uuid;

/// Commits of which is known when they were published. Of older ones their time is known.
const PUBLISHED_MAX: u64 = 100_000;
/// Parts of commits of several tables of which is known where they are.
const PARTS_MAX: usize = 1_000;
/// How long a reader waits for a commit that it has found half made.
const PATIENCE: Duration = Duration::from_secs(1);

/// A moment between commits. Whoever reads several tables as of the same one sees all of what a commit has changed, or
/// nothing.
#[derive(Clone, Copy, Debug)]
pub struct ReadPoint {
    sequence: u64,
    /// For commits of other processes.
    time: DateTime<Utc>,
}

/// A commit as a reader that comes upon it sees it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Standing {
    Visible,
    /// Published after the reader's moment, at this one.
    Later(ReadPoint),
    InProgress,
}

#[derive(Debug)]
pub(super) struct Ledger {
    state: Mutex<State>,
    published: Cache<Uuid, u64>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Of the commit that was published last.
    sequence: u64,
    in_progress: HashSet<Uuid>,
    /// Of commits of several tables, the oldest first.
    parts: VecDeque<Part>,
}

#[derive(Debug)]
struct Part {
    id: Uuid,
    location: Url,
    /// The version that it was made to.
    base: u64,
    /// When it was published, if it is.
    sequence: Option<u64>,
}

/// Commits in progress, published when this is dropped.
#[derive(Debug)]
#[must_use = "readers wait until it is dropped"]
pub struct Unpublished<'a> {
    ledger: &'a Ledger,
    ids: Vec<Uuid>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { state: Mutex::default(), published: published(PUBLISHED_MAX), changed: Notify::new() }
    }
}

/// The cache that forgets the oldest first.
fn published(max: u64) -> Cache<Uuid, u64> {
    Cache::builder().max_capacity(max).eviction_policy(EvictionPolicy::lru()).build()
}

impl Ledger {
    pub(super) fn now(&self) -> ReadPoint {
        ReadPoint { sequence: self.state.lock().sequence, time: Utc::now() }
    }

    /// Whether no commit of this process is in progress or was published since a moment.
    pub(super) fn is_quiet_since(&self, point: ReadPoint) -> bool {
        let state = self.state.lock();
        state.in_progress.is_empty() && state.sequence == point.sequence
    }

    /// The ids of as many commits, which are in progress now.
    pub(super) fn begin(&self, count: usize) -> Unpublished<'_> {
        let ids: Vec<Uuid> = (0..count).map(|_| Uuid::new_v4()).collect();
        self.state.lock().in_progress.extend(&ids);
        Unpublished { ledger: self, ids }
    }

    /// The parts of a commit of several tables, each with the version that it is made to, are in progress now.
    pub(super) fn begin_joint(&self, parts: Vec<(Uuid, Url, u64)>) -> Unpublished<'_> {
        let ids: Vec<Uuid> = parts.iter().map(|(id, ..)| *id).collect();
        let mut state = self.state.lock();
        state.in_progress.extend(&ids);
        state.parts.extend(parts.into_iter().map(|(id, location, base)| Part { id, location, base, sequence: None }));
        Unpublished { ledger: self, ids }
    }

    /// The parts of commits of several tables that are not to be seen at a moment, and the versions that they were made to.
    pub(super) fn hidden(&self, location: &Url, point: ReadPoint) -> Vec<(Uuid, u64)> {
        let state = self.state.lock();
        let is_hidden = |part: &&Part| part.sequence.is_none_or(|sequence| sequence > point.sequence) && part.location == *location;
        state.parts.iter().filter(is_hidden).map(|part| (part.id, part.base)).collect()
    }

    /// A commit of this process; `None` if it is of another one, or old.
    pub(super) fn standing(&self, id: Uuid, point: ReadPoint) -> Option<Standing> {
        if self.state.lock().in_progress.contains(&id) {
            return Some(Standing::InProgress);
        }
        let sequence = self.published.get(&id)?;
        let is_visible = sequence <= point.sequence;
        Some(if is_visible { Standing::Visible } else { Standing::Later(ReadPoint { sequence, time: Utc::now() }) })
    }

    /// Waits, for some time, until a commit is published; `false` if it was in vain.
    pub(super) async fn wait_for(&self, id: Uuid) -> bool {
        let published = async {
            loop {
                let changed = self.changed.notified();
                if !self.state.lock().in_progress.contains(&id) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(PATIENCE, published).await.is_ok()
    }
}

impl ReadPoint {
    /// Whether a commit of another process was made before it, as far as clocks tell.
    pub(super) fn is_after(&self, time: DateTime<Utc>) -> bool {
        time.timestamp_millis() <= self.time.timestamp_millis()
    }
}

impl Unpublished<'_> {
    pub(super) fn ids(&self) -> &[Uuid] {
        &self.ids
    }
}

impl Drop for Unpublished<'_> {
    fn drop(&mut self) {
        let mut state = self.ledger.state.lock();
        state.sequence += 1;
        for id in &self.ids {
            self.ledger.published.insert(*id, state.sequence);
            state.in_progress.remove(id);
        }
        let sequence = Some(state.sequence);
        for part in state.parts.iter_mut().filter(|part| self.ids.contains(&part.id)) {
            part.sequence = sequence;
        }
        while state.parts.len() > PARTS_MAX && state.parts.front().is_some_and(|part| part.sequence.is_some()) {
            state.parts.pop_front();
        }
        drop(state);
        self.ledger.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn commits_are_seen_together_and_in_the_order_in_which_they_were_published() {
        let ledger = Ledger::default();
        let before = ledger.now();
        let both = ledger.begin(2);
        let [first, second] = both.ids() else { panic!("two ids") };
        let (first, second) = (*first, *second);
        let other = ledger.begin(1);
        let third = other.ids()[0];
        let is_seen = |point| [first, second, third].map(|id| matches!(ledger.standing(id, point), Some(Standing::Visible)));
        assert_eq!(is_seen(before), [false; 3]);
        drop(other);
        let between = ledger.now();
        assert_eq!(is_seen(between), [false, false, true]);
        let (waited, ()) = tokio::join!(ledger.wait_for(second), async { drop(both) });
        assert!(waited);
        assert_eq!(is_seen(before), [false; 3]);
        assert_eq!(is_seen(between), [false, false, true]);
        assert_eq!(is_seen(ledger.now()), [true; 3]);
        let Some(Standing::Later(then)) = ledger.standing(second, between) else { panic!("it was published later") };
        assert_eq!(is_seen(then), [true; 3]);
        assert!(ledger.standing(Uuid::new_v4(), before).is_none());
    }

    #[test]
    fn the_oldest_commits_are_forgotten_first() {
        let ledger = Ledger { published: published(10), ..Ledger::default() };
        let ids: Vec<Uuid> = (0..100).map(|_| ledger.begin(1).ids()[0]).collect();
        ledger.published.run_pending_tasks();
        let known = |id: &Uuid| ledger.standing(*id, ledger.now()).is_some();
        assert!(ids[90..].iter().all(known) && !ids[..90].iter().any(known));
    }
}
