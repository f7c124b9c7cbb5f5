//! Removes what jobs have left here that nobody wants: those of a scheduler that is gone, and those that this executor was
//! told to forget while it was out of reach.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::cluster_protocol::{self as protocol, JobReferences, UNWANTED};
use process::task::Tasks;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tracing::{debug, info, warn};

use crate::resources::SPILL_DIR;

/// A job that is not known at the scheduler for a moment, as it is just submitted, has no files so old.
const INTERVAL: Duration = Duration::from_secs(5);

/// The task does not end by itself: an executor that drains waits for results that may have lost their readers.
pub(crate) fn start(tasks: &Tasks, scheduler: Channel, work_dir: PathBuf) -> JoinHandle<()> {
    tasks.spawn("executor garbage", async move {
        let mut seen = HashSet::new();
        loop {
            tokio::time::sleep(INTERVAL).await;
            let jobs: HashSet<String> = jobs(&work_dir).await.into_iter().collect();
            let old: Vec<String> = jobs.intersection(&seen).cloned().collect();
            seen = jobs;
            if old.is_empty() {
                continue;
            }
            let asked = protocol::call(scheduler.clone(), UNWANTED, JobReferences { job_ids: old });
            match asked.await {
                Ok(JobReferences { job_ids }) => remove(&work_dir, job_ids.iter().filter(|job_id| seen.contains(*job_id))).await,
                // It will be asked again.
                Err(status) => debug!(%status, "the scheduler does not say what is unwanted"),
            }
        }
    })
}

/// The jobs that have files here. A directory that cannot be read has nothing that could be served.
pub(crate) async fn jobs(work_dir: &Path) -> Vec<String> {
    let mut jobs = vec![];
    let Ok(mut entries) = tokio::fs::read_dir(work_dir).await else { return jobs };
    while let Ok(Some(entry)) = entries.next_entry().await {
        if entry.file_name() != SPILL_DIR
            && let Ok(job_id) = entry.file_name().into_string()
        {
            jobs.push(job_id);
        }
    }
    jobs
}

async fn remove(work_dir: &Path, job_ids: impl Iterator<Item = &String>) {
    for job_id in job_ids {
        match tokio::fs::remove_dir_all(work_dir.join(job_id)).await {
            Ok(()) => info!(job_id, "nobody wanted the files of this job any more, they were removed"),
            // Its server was faster.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => warn!(job_id, %error, "the files of a job cannot be removed"),
        }
    }
}
