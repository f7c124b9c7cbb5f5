//! A memory pool in which many operators that spill all come to their end.
//!
//! A sort sorts what it has buffered, or spilled, by merging it; what a merge holds cannot be spilled, and moves from the
//! account of the buffer to that of the merge. In DataFusion's fair pool the operators that still read fill what is free, and
//! the first merge takes what is left: the next one has not the memory for two files, and its query fails. Here a sort and
//! its merge have one account: whatever the buffer takes, some more is promised to the merge.

use std::collections::BTreeMap;
use std::fmt;

use datafusion::common::human_readable_size;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use parking_lot::Mutex;

/// How DataFusion names the buffer of a sort, and what its merge holds.
const SORTER_PREFIX: &str = "ExternalSorter[";
const MERGE_PREFIX: &str = "ExternalSorterMerge[";

/// What operators that can spill share is this part of the limit. Hash tables of joins, and merges of sorted partitions, have
/// the rest, and what is free.
const SHARED: f64 = 2.0 / 3.0;

/// What is promised to the merge of a sort for each byte of its buffer. A buffer counts every batch twice, which a merge has
/// once, beside its keys in a form that compares faster.
const MERGE_PER_BUFFER: f64 = 1.0 / 3.0;

/// Operators that can spill have fair shares; what one does not use the others may. The limit may change; no operator loses
/// what it holds.
pub struct SpillingPool {
    limit: Box<dyn Fn() -> usize + Send + Sync>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    bytes: usize,
    /// By the consumers' ids, which are in the order in which they were made.
    consumers: BTreeMap<usize, Consumer>,
}

struct Consumer {
    name: String,
    kind: Kind,
    bytes: usize,
    /// Of a sort: the most that it buffered since it last held nothing.
    buffered: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Spills,
    /// The buffer of a sort.
    Sorts { merge: Option<usize> },
    /// The merge of a sort; `None` once the sort is gone, which it is while the last of its merges runs.
    Merges { sorter: Option<usize> },
    Other,
}

impl SpillingPool {
    /// `limit` is asked for the bytes of the pool whenever one of its consumers wants to grow.
    pub fn new(limit: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        Self { limit: Box::new(limit), held: Mutex::default() }
    }
}

impl Held {
    fn bytes_of(&self, id: Option<usize>) -> usize {
        id.and_then(|id| self.consumers.get(&id)).map_or(0, |consumer| consumer.bytes)
    }

    /// What a consumer holds, with its merge if it has one.
    fn account(&self, consumer: &Consumer) -> usize {
        match consumer.kind {
            Kind::Sorts { merge } => consumer.bytes + self.bytes_of(merge),
            Kind::Spills | Kind::Other => consumer.bytes,
            Kind::Merges { sorter: None } => consumer.bytes,
            // Counts with its sort.
            Kind::Merges { sorter: Some(_) } => 0,
        }
    }

    /// What a consumer holds, or more if it was promised more.
    fn committed(&self, consumer: &Consumer) -> usize {
        let held = self.account(consumer);
        match consumer.kind {
            Kind::Sorts { .. } if held > 0 => held.max(promised(consumer.buffered)),
            _ => held,
        }
    }

    /// How many more bytes a consumer may take.
    fn free_for(&self, id: usize, limit: usize) -> usize {
        let free = limit.saturating_sub(self.bytes);
        let Some(consumer) = self.consumers.get(&id) else { return free };
        let sharer = match consumer.kind {
            Kind::Merges { sorter: Some(sorter) } => sorter,
            _ => id,
        };
        let committed = |(other, consumer): (&usize, &Consumer)| match *other == sharer {
            true => 0,
            false => self.committed(consumer),
        };
        let unpromised = limit.saturating_sub(self.consumers.iter().map(committed).sum());
        let account = self.consumers.get(&sharer).map_or(0, |sorter| self.account(sorter));
        let own = match consumer.kind {
            Kind::Other => unpromised.saturating_sub(account),
            // Its first batch is in memory already, and it cannot do without.
            Kind::Spills | Kind::Sorts { .. } if consumer.bytes == 0 => free,
            Kind::Spills => self.share(sharer, limit).min(unpromised).saturating_sub(account),
            Kind::Sorts { .. } => {
                let share = self.share(sharer, limit).min(unpromised) as f64 / (1.0 + MERGE_PER_BUFFER);
                (share as usize).saturating_sub(account)
            }
            Kind::Merges { .. } => {
                let promised = self.consumers.get(&sharer).map_or(0, |sorter| promised(sorter.buffered));
                self.share(sharer, limit).min(unpromised).max(promised).saturating_sub(account)
            }
        };
        own.min(free)
    }

    /// The shared part of the limit without what others that share have of it: each at most as much as if all had the same.
    fn share(&self, id: usize, limit: usize) -> usize {
        let room = (limit as f64 * SHARED) as usize;
        let others = self.consumers.iter().filter(|(other, consumer)| **other != id && consumer.kind != Kind::Other);
        let others: Vec<usize> = others.map(|(_, consumer)| self.account(consumer)).filter(|bytes| *bytes > 0).collect();
        let equal = room / (others.len() + 1);
        room - others.into_iter().map(|bytes| bytes.min(equal)).sum::<usize>()
    }

    /// A merge belongs to the sort of its partition that was made last.
    fn pair(&mut self, merge: usize, name: &str) -> Kind {
        let sorter = name.replacen(MERGE_PREFIX, SORTER_PREFIX, 1);
        let unpaired = self.consumers.iter_mut().rev().find(|(_, consumer)| {
            consumer.name == sorter && matches!(consumer.kind, Kind::Sorts { merge: None })
        });
        match unpaired {
            Some((id, consumer)) => {
                consumer.kind = Kind::Sorts { merge: Some(merge) };
                Kind::Merges { sorter: Some(*id) }
            }
            None => Kind::Other,
        }
    }

    fn add(&mut self, id: usize, bytes: usize) {
        self.bytes += bytes;
        if let Some(consumer) = self.consumers.get_mut(&id) {
            consumer.bytes += bytes;
            if matches!(consumer.kind, Kind::Sorts { .. }) {
                consumer.buffered = consumer.buffered.max(consumer.bytes);
            }
        }
    }

    fn remove(&mut self, id: usize, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        let Some(consumer) = self.consumers.get_mut(&id) else { return };
        consumer.bytes = consumer.bytes.saturating_sub(bytes);
        let sorter = match consumer.kind {
            Kind::Merges { sorter: Some(sorter) } => sorter,
            _ => id,
        };
        if self.consumers.get(&sorter).is_some_and(|sorter| self.account(sorter) == 0)
            && let Some(sorter) = self.consumers.get_mut(&sorter)
        {
            sorter.buffered = 0;
        }
    }
}

/// What a sort may hold with its merge, after it has buffered so much.
fn promised(buffered: usize) -> usize {
    (buffered as f64 * (1.0 + MERGE_PER_BUFFER)) as usize
}

impl MemoryPool for SpillingPool {
    fn name(&self) -> &str {
        "spilling"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        let (id, name) = (consumer.id(), consumer.name());
        let mut held = self.held.lock();
        let kind = match consumer.can_spill() {
            true if name.starts_with(SORTER_PREFIX) => Kind::Sorts { merge: None },
            true => Kind::Spills,
            false if name.starts_with(MERGE_PREFIX) => held.pair(id, name),
            false => Kind::Other,
        };
        held.consumers.insert(id, Consumer { name: name.to_owned(), kind, bytes: 0, buffered: 0 });
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut held = self.held.lock();
        let Some(gone) = held.consumers.remove(&consumer.id()) else { return };
        if let Kind::Sorts { merge: Some(merge) } = gone.kind
            && let Some(merge) = held.consumers.get_mut(&merge)
        {
            merge.kind = Kind::Merges { sorter: None };
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.held.lock().add(reservation.consumer().id(), additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.held.lock().remove(reservation.consumer().id(), shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let limit = (self.limit)();
        let mut held = self.held.lock();
        let (id, free) = (reservation.consumer().id(), held.free_for(reservation.consumer().id(), limit));
        if additional > free {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "Failed to allocate additional {} for {}: {} of {} are free for it",
                human_readable_size(additional),
                reservation.consumer().name(),
                human_readable_size(free),
                human_readable_size(limit),
            )));
        }
        held.add(id, additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.held.lock().bytes
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite((self.limit)())
    }
}

impl fmt::Debug for SpillingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpillingPool").field("limit", &(self.limit)()).field("held", &self.reserved()).finish()
    }
}

impl fmt::Display for SpillingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (held, limit) = (human_readable_size(self.reserved()), human_readable_size((self.limit)()));
        write!(f, "{held} of {limit} are held")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn pool() -> Arc<dyn MemoryPool> {
        Arc::new(SpillingPool::new(|| 1_200))
    }

    fn spilling(pool: &Arc<dyn MemoryPool>, name: &str) -> MemoryReservation {
        MemoryConsumer::new(name).with_can_spill(true).register(pool)
    }

    fn sort(pool: &Arc<dyn MemoryPool>) -> (MemoryReservation, MemoryReservation) {
        let buffer = spilling(pool, "ExternalSorter[0]");
        (buffer, MemoryConsumer::new("ExternalSorterMerge[0]").register(pool))
    }

    #[test]
    fn a_merge_gets_what_its_sort_has_been_promised() {
        let pool = pool();
        let ((buffer, merge), (other_buffer, _other_merge)) = (sort(&pool), sort(&pool));
        buffer.try_grow(1).expect("the first batch");
        buffer.try_grow(599).expect("three quarters of 800");
        assert!(buffer.try_grow(2).is_err());
        other_buffer.try_grow(1).expect("the first batch");
        other_buffer.try_grow(298).expect("three quarters of 400");
        assert!(other_buffer.try_grow(3).is_err());
        let others = MemoryConsumer::new("HashJoinInput").register(&pool);
        assert!(others.try_grow(102).is_err());
        others.try_grow(1).expect("what nobody was promised");
        // Of the buffer's share there is half now, but not for its merge.
        assert!(buffer.try_grow(1).is_err());
        buffer.shrink(300);
        merge.try_grow(499).expect("all but what is left in the buffer");
        assert!(merge.try_grow(2).is_err());
    }

    #[test]
    fn a_merge_shares_when_its_sort_is_gone() {
        let pool = pool();
        let ((buffer, merge), (_other_buffer, other_merge)) = (sort(&pool), sort(&pool));
        buffer.try_grow(150).expect("the first batch");
        buffer.shrink(150);
        drop(buffer);
        merge.try_grow(800).expect("two thirds");
        assert!(merge.try_grow(1).is_err());
        merge.shrink(200);
        other_merge.try_grow(400).expect("half of two thirds");
        assert!(other_merge.try_grow(1).is_err());
    }

    #[test]
    fn what_one_does_not_use_the_others_may() {
        let pool = pool();
        let (large, small, _idle) = (spilling(&pool, "a"), spilling(&pool, "b"), spilling(&pool, "c"));
        small.try_grow(100).expect("room");
        large.try_grow(1).expect("room");
        large.try_grow(699).expect("two thirds without what the other has");
        assert!(large.try_grow(1).is_err());
        large.free();
        small.free();
        MemoryConsumer::new("HashJoinInput").register(&pool).try_grow(1_200).expect("all");
    }

    #[test]
    fn the_parts_of_a_consumer_count_together() {
        let pool = pool();
        let whole = spilling(&pool, "a");
        whole.try_grow(500).expect("room");
        let part = whole.split(400);
        assert!(part.try_grow(301).is_err());
        part.try_grow(300).expect("what is left of its share");
        drop((whole, part));
        assert_eq!(pool.reserved(), 0);
    }

    #[test]
    fn a_first_batch_is_taken_if_there_is_room_at_all() {
        let pool = pool();
        let (first, second) = (spilling(&pool, "a"), spilling(&pool, "b"));
        first.try_grow(1_000).expect("room");
        second.try_grow(200).expect("the first batch");
        assert!(second.try_grow(1).is_err());
    }
}
