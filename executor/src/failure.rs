//! Which failures of a task end its job, so that the query is run again as a whole.

use ballista_core::error::BallistaError;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use engine::INPUT_LOST;

/// The error as the scheduler is to see it.
///
/// A task that cannot read the output of another executor ends its job: Ballista would run that output's stage again and
/// hand on some of its rows twice. The server runs such a query again.
pub(crate) fn of_task(error: BallistaError) -> BallistaError {
    match is_lost_input(&error) {
        true => BallistaError::General(format!("{INPUT_LOST}: {error}")),
        false => error,
    }
}

fn is_lost_input(error: &BallistaError) -> bool {
    match error {
        BallistaError::FetchFailed(..) => true,
        BallistaError::ArrowError(error) => is_status(error),
        BallistaError::DataFusionError(error) => match error.find_root() {
            DataFusionError::ArrowError(error, _) => is_status(error),
            DataFusionError::External(error) => error.downcast_ref::<BallistaError>().is_some_and(is_lost_input),
            _ => false,
        },
        _ => false,
    }
}

/// Ballista's client makes text of a gRPC status: `code: 'Unknown error', message: …`.
fn is_status(error: &ArrowError) -> bool {
    matches!(error, ArrowError::IpcError(message) if message.starts_with("code: '"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ballista_core::serde::protobuf::FailedTask;
    use tonic::Status;

    #[test]
    fn lost_input_ends_the_job_by_name() {
        let broken = ArrowError::IpcError(Status::unknown("h2 protocol error").to_string());
        let broken = DataFusionError::ArrowError(Box::new(broken), None).context("while reading");
        let gone = BallistaError::FetchFailed("executor".into(), 1, 2, "refused".into());
        for error in [broken.into(), gone] {
            let failed = FailedTask::from(of_task(error));
            assert!(!failed.retryable && failed.error.contains(INPUT_LOST), "{failed:?}");
        }
    }

    #[test]
    fn an_error_of_the_query_stays_as_it_is() {
        for error in [
            DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None),
            DataFusionError::ArrowError(Box::new(ArrowError::IpcError("a file is cut off".into())), None),
        ] {
            let failed = FailedTask::from(of_task(error.into()));
            assert!(!failed.retryable && !failed.error.contains(INPUT_LOST), "{failed:?}");
        }
    }
}
