//! Background tasks: each has a name and an owner that can wait for it, and a panic in one ends only that one.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, error, error_span};

/// The tasks of one owner, shared by clones.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    running: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

impl Tasks {
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts `future` as a task. Its log lines carry `name`. A panic in it is logged with that name and goes no
    /// further. The handle may be dropped: the task runs on.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let running = Running::start(name, Arc::clone(&self.running));
        let task = async move {
            let _running = running;
            if AssertUnwindSafe(future).catch_unwind().await.is_err() {
                // The panic hook has logged message and place already.
                error!("task panicked");
            }
        };
        self.tracker.spawn(task.instrument(error_span!("task", name)))
    }

    /// Ends when no task is left. Tasks may still be spawned meanwhile; they are waited for as well.
    pub async fn wait(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// What is running now: names and how many of each, to say what a shutdown is waiting for.
    pub fn running(&self) -> Vec<(&'static str, usize)> {
        self.running.lock().iter().map(|(name, count)| (*name, *count)).collect()
    }
}

/// Counts a task for as long as it lives, also when it is aborted.
struct Running {
    name: &'static str,
    counts: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

impl Running {
    fn start(name: &'static str, counts: Arc<Mutex<BTreeMap<&'static str, usize>>>) -> Self {
        *counts.lock().entry(name).or_default() += 1;
        Self { name, counts }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                counts.remove(self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn wait_ends_when_the_last_task_has_ended() {
        let tasks = Tasks::new();
        let (tx, rx) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn("waits", async {
            let _ = rx.await;
        });
        tasks.spawn("returns", async {});
        tokio::task::yield_now().await;
        assert_eq!(tasks.running(), [("waits", 1)]);
        tx.send(()).unwrap();
        tasks.wait().await;
        assert_eq!(tasks.running(), []);
    }

    #[tokio::test]
    async fn a_panic_ends_only_its_task() {
        let tasks = Tasks::new();
        tasks.spawn("panics", async { panic!("as the test wants") }).await.unwrap();
        let (tx, rx) = tokio::sync::oneshot::channel();
        tasks.spawn("works", async move { tx.send(1).unwrap() });
        assert_eq!(rx.await.unwrap(), 1);
        tasks.wait().await;
    }
}
