//! What the scheduler asks of an executor: run tasks, cancel tasks, remove a job's files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ballista_core::serde::protobuf::executor_grpc_server::ExecutorGrpc;
use ballista_core::serde::protobuf::{
    CancelTasksParams, CancelTasksResult, LaunchMultiTaskParams, LaunchMultiTaskResult, LaunchTaskParams,
    LaunchTaskResult, RemoveJobDataParams, RemoveJobDataResult, StopExecutorParams, StopExecutorResult,
};
use tonic::{Request, Response, Status};
use tracing::{error, warn};

use crate::task::TaskRunner;

pub(crate) struct TaskService {
    runner: Arc<TaskRunner>,
    work_dir: PathBuf,
}

impl TaskService {
    pub(crate) fn new(runner: Arc<TaskRunner>, work_dir: PathBuf) -> Self {
        Self { runner, work_dir }
    }
}

#[tonic::async_trait]
impl ExecutorGrpc for TaskService {
    async fn launch_task(&self, _: Request<LaunchTaskParams>) -> Result<Response<LaunchTaskResult>, Status> {
        Err(Status::unimplemented("tasks are launched with LaunchMultiTask"))
    }

    async fn launch_multi_task(
        &self,
        request: Request<LaunchMultiTaskParams>,
    ) -> Result<Response<LaunchMultiTaskResult>, Status> {
        let mut failed_jobs = Vec::new();
        for tasks in request.into_inner().multi_tasks {
            let job_id = tasks.job_id.clone();
            if let Err(error) = self.runner.launch(tasks) {
                error!(%job_id, %error, "cannot decode tasks");
                failed_jobs.push(job_id);
            }
        }
        Ok(Response::new(LaunchMultiTaskResult { failed_jobs }))
    }

    async fn stop_executor(&self, request: Request<StopExecutorParams>) -> Result<Response<StopExecutorResult>, Status> {
        // The scheduler says so when it has given this executor up. The next heartbeat registers it again.
        warn!(reason = request.get_ref().reason, "the scheduler asked this executor to stop; it goes on");
        Ok(Response::new(StopExecutorResult {}))
    }

    async fn cancel_tasks(&self, request: Request<CancelTasksParams>) -> Result<Response<CancelTasksResult>, Status> {
        for task in request.into_inner().task_infos {
            self.runner.cancel(task.job_id, task.stage_id as usize, task.task_id as usize).await;
        }
        Ok(Response::new(CancelTasksResult { cancelled: true }))
    }

    async fn remove_job_data(
        &self,
        request: Request<RemoveJobDataParams>,
    ) -> Result<Response<RemoveJobDataResult>, Status> {
        let params = request.into_inner();
        if !is_plain_name(&params.job_id) {
            return Err(Status::invalid_argument("not a job id"));
        }
        let job_dir = self.work_dir.join(&params.job_id);
        if params.remove_stage_ids.is_empty() {
            remove(&job_dir).await?;
        }
        for stage_id in params.remove_stage_ids {
            remove(&job_dir.join(stage_id.to_string())).await?;
        }
        Ok(Response::new(RemoveJobDataResult {}))
    }
}

/// A job id becomes a directory name: it must not lead elsewhere.
fn is_plain_name(job_id: &str) -> bool {
    !job_id.is_empty() && job_id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

async fn remove(directory: &Path) -> Result<(), Status> {
    match tokio::fs::remove_dir_all(directory).await {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Status::internal(format!("cannot remove {}: {error}", directory.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::is_plain_name;

    #[test]
    fn job_ids_stay_below_the_work_directory() {
        assert!(is_plain_name("7Hk-2_a"));
        for bad in ["", "..", "a/b", "/etc", "a\0"] {
            assert!(!is_plain_name(bad), "{bad:?}");
        }
    }
}
