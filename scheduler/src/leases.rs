//! Which jobs' files are still wanted. Servers say so of every result that they read, until they remove it; what a server that
//! is gone would have read is removed here, and what no scheduler knows any more, by the executors that have it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Cluster, JobId};
use parking_lot::{Mutex, MutexGuard};
use tracing::{info, warn};

use crate::cluster::InProcessCluster;

#[derive(Debug)]
pub(crate) struct Leases {
    patience: Duration,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    jobs: HashMap<String, Lease>,
    /// Jobs that only executors know, and when one first asked about them: their server may be about to say that it reads them.
    asked: HashMap<String, Instant>,
    /// When somebody last looked.
    looked: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Lease {
    /// Somebody of this process or at the other end of a stream waits for it.
    Waited,
    Until(Instant),
}

impl Leases {
    /// What nobody wants for as long as `patience` is removed.
    pub(crate) fn new(patience: Duration) -> Self {
        let held = Held { jobs: HashMap::new(), asked: HashMap::new(), looked: Instant::now() };
        Self { patience, held: Mutex::new(held) }
    }

    /// Time does not count in which this process stood still: nobody could tell it anything.
    fn held(&self) -> MutexGuard<'_, Held> {
        let mut held = self.held.lock();
        let now = Instant::now();
        let still = now - std::mem::replace(&mut held.looked, now);
        if still > self.patience / 2 {
            let Held { jobs, asked, .. } = &mut *held;
            let untils = jobs.values_mut().filter_map(|lease| match lease {
                Lease::Until(until) => Some(until),
                Lease::Waited => None,
            });
            untils.chain(asked.values_mut()).for_each(|instant| *instant += still);
        }
        held
    }

    pub(crate) fn submitted(&self, job_id: &str) {
        self.held().jobs.insert(job_id.to_owned(), Lease::Waited);
    }

    /// Its server has been told that it ended, and is to say from now on that it reads the result.
    pub(crate) fn ended(&self, job_id: &str) {
        if let Some(lease) = self.held().jobs.get_mut(job_id) {
            *lease = Lease::Until(Instant::now() + self.patience);
        }
    }

    /// A server reads the results of these, which may be of a scheduler before this one.
    pub(crate) fn renew(&self, job_ids: Vec<String>) {
        let until = Lease::Until(Instant::now() + self.patience);
        let mut held = self.held();
        for job_id in job_ids {
            let lease = held.jobs.entry(job_id).or_insert(until);
            if matches!(lease, Lease::Until(_)) {
                *lease = until;
            }
        }
    }

    /// Its files are removed.
    pub(crate) fn removed(&self, job_id: &str) {
        self.held().jobs.remove(job_id);
    }

    /// Those of `job_ids` that nobody wants. Of those that are not known servers have time to say so.
    pub(crate) fn unwanted(&self, job_ids: Vec<String>) -> Vec<String> {
        let mut held = self.held();
        let Held { jobs, asked, .. } = &mut *held;
        let is_old = |asked: &Instant| asked.elapsed() >= self.patience;
        let unwanted = job_ids.into_iter().filter(|job_id| match jobs.get(job_id) {
            Some(lease) => lease.has_expired(),
            None => is_old(asked.entry(job_id.clone()).or_insert_with(Instant::now)),
        });
        let unwanted = unwanted.collect();
        // Executors that are asked to remove them ask again if they cannot.
        asked.retain(|job_id, since| !jobs.contains_key(job_id) && !is_old(since));
        unwanted
    }

    fn expired(&self) -> Vec<String> {
        self.held().jobs.iter().filter(|(_, lease)| lease.has_expired()).map(|(job_id, _)| job_id.clone()).collect()
    }

    /// Has the files of jobs removed that nobody wants any more. Does not end.
    pub(crate) async fn enforce(self: Arc<Self>, cluster: Arc<InProcessCluster>) {
        loop {
            tokio::time::sleep(self.patience / 4).await;
            for job_id in self.expired() {
                info!(job_id, "nobody reads the result of this job any more, it is removed");
                if let Err(error) = cluster.clean(&JobId(job_id.clone())).await {
                    warn!(job_id, %error, "a result that nobody reads cannot be removed");
                }
            }
        }
    }
}

impl Lease {
    fn has_expired(&self) -> bool {
        matches!(self, Self::Until(until) if *until <= Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn what_is_waited_for_or_read_is_wanted() {
        let leases = Leases::new(Duration::from_secs(3600));
        let ago = |leases: &Leases, job_id: &str| {
            leases.held.lock().jobs.insert(job_id.to_owned(), Lease::Until(Instant::now()));
        };
        leases.submitted("waited");
        leases.submitted("ended");
        leases.ended("ended");
        let all = || ids(&["waited", "ended", "of another scheduler"]);
        assert!(leases.unwanted(all()).is_empty() && leases.expired().is_empty());
        ago(&leases, "ended");
        ago(&leases, "of another scheduler");
        assert_eq!(leases.unwanted(all()), ids(&["ended", "of another scheduler"]));
        assert_eq!(leases.expired().len(), 2);
        leases.renew(all());
        assert!(leases.unwanted(all()).is_empty() && leases.expired().is_empty());
        assert!(matches!(leases.held().jobs["waited"], Lease::Waited));
        leases.removed("ended");
        assert!(!leases.held().jobs.contains_key("ended"));
    }

    #[test]
    fn what_is_not_known_is_unwanted_after_a_while() {
        let leases = Leases::new(Duration::from_millis(1));
        leases.unwanted(ids(&["unknown"]));
        let asked = Instant::now();
        while leases.unwanted(ids(&["unknown"])).is_empty() {
            assert!(asked.elapsed() < Duration::from_secs(60));
        }
        assert!(leases.held().asked.is_empty());
        let leases = Leases::new(Duration::from_secs(3600));
        assert!(leases.unwanted(ids(&["unknown"])).is_empty() && leases.unwanted(ids(&["unknown"])).is_empty());
    }

    #[test]
    fn time_in_which_the_process_stood_still_does_not_count() {
        let leases = Leases::new(Duration::from_millis(100));
        leases.renew(ids(&["read"]));
        std::thread::sleep(Duration::from_millis(200));
        assert!(leases.expired().is_empty());
    }
}
