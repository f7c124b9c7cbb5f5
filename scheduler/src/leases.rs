//! Which jobs' files are still wanted. Servers say so of every result that they read, until they remove it; what a server that
//! is gone would have read is removed here, and what no scheduler knows any more, by the executors that have it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Cluster, JobId};
use parking_lot::Mutex;
use tracing::{info, warn};

use crate::cluster::InProcessCluster;

#[derive(Debug)]
pub(crate) struct Leases {
    patience: Duration,
    started: Instant,
    jobs: Mutex<HashMap<String, Lease>>,
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
        Self { patience, started: Instant::now(), jobs: Mutex::default() }
    }

    pub(crate) fn submitted(&self, job_id: &str) {
        self.jobs.lock().insert(job_id.to_owned(), Lease::Waited);
    }

    /// Its server has been told that it ended, and is to say from now on that it reads the result.
    pub(crate) fn ended(&self, job_id: &str) {
        if let Some(lease) = self.jobs.lock().get_mut(job_id) {
            *lease = Lease::Until(Instant::now() + self.patience);
        }
    }

    /// A server reads the results of these, which may be of a scheduler before this one.
    pub(crate) fn renew(&self, job_ids: Vec<String>) {
        let until = Lease::Until(Instant::now() + self.patience);
        let mut jobs = self.jobs.lock();
        for job_id in job_ids {
            let lease = jobs.entry(job_id).or_insert(until);
            if matches!(lease, Lease::Until(_)) {
                *lease = until;
            }
        }
    }

    /// Its files are removed.
    pub(crate) fn removed(&self, job_id: &str) {
        self.jobs.lock().remove(job_id);
    }

    /// Those of `job_ids` that nobody wants. A scheduler that has just started waits until servers have told.
    pub(crate) fn unwanted(&self, job_ids: Vec<String>) -> Vec<String> {
        if self.started.elapsed() < self.patience {
            return vec![];
        }
        let jobs = self.jobs.lock();
        job_ids.into_iter().filter(|job_id| jobs.get(job_id).is_none_or(Lease::has_expired)).collect()
    }

    fn expired(&self) -> Vec<String> {
        self.jobs.lock().iter().filter(|(_, lease)| lease.has_expired()).map(|(job_id, _)| job_id.clone()).collect()
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
        let leases = Leases { patience: Duration::ZERO, ..Leases::new(Duration::ZERO) };
        leases.submitted("waited");
        leases.submitted("ended");
        leases.ended("ended");
        leases.submitted("removed");
        leases.removed("removed");
        leases.renew(ids(&["waited"]));
        assert_eq!(leases.unwanted(ids(&["waited", "ended", "removed", "unknown"])), ids(&["ended", "removed", "unknown"]));
        assert_eq!(leases.expired(), ids(&["ended"]));
        let leases = Leases { patience: Duration::from_secs(3600), ..leases };
        leases.renew(ids(&["ended", "of another scheduler"]));
        assert!(leases.expired().is_empty());
        let leases = Leases { patience: Duration::ZERO, ..leases };
        assert_eq!(leases.unwanted(ids(&["ended", "of another scheduler", "unknown"])), ids(&["unknown"]));
    }

    #[test]
    fn a_scheduler_that_has_just_started_knows_nothing() {
        assert!(Leases::new(Duration::from_secs(3600)).unwanted(ids(&["unknown"])).is_empty());
    }
}
