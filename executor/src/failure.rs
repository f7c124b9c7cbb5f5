//! Which failures of a task end its job, so that the query is run again as a whole.

use std::io;

use ballista_core::error::BallistaError;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use engine::{Fault, FaultKind, INPUT_LOST};

/// The error as the scheduler is to see it. `node` is what the user is told of this executor.
///
/// A task that cannot read the output of another executor ends its job: Ballista would run that output's stage again and
/// hand on some of its rows twice. The server runs such a query again. A fault that may pass, or that another executor may
/// not have, leaves the task to be run once more.
pub(crate) fn of_task(error: BallistaError, node: &str) -> BallistaError {
    if is_lost_input(&error) {
        return BallistaError::General(format!("{INPUT_LOST}: {error}"));
    }
    match fault(&error) {
        Some(mut fault) => {
            fault.message.push_str(&format!(" (on executor {node})"));
            match fault.kind {
                FaultKind::Io | FaultKind::DiskFull => BallistaError::IoError(io::Error::other(fault.to_text())),
                _ => BallistaError::General(fault.to_text()),
            }
        }
        None => error,
    }
}

fn fault(error: &BallistaError) -> Option<Fault> {
    match error {
        BallistaError::DataFusionError(error) => match of_ballista(error) {
            Some(error) => fault(error),
            None => Fault::of(error),
        },
        BallistaError::IoError(error) => Some(Fault::of_io(error)),
        BallistaError::ArrowError(error) => Fault::of_arrow(error),
        _ => None,
    }
}

fn is_lost_input(error: &BallistaError) -> bool {
    match error {
        BallistaError::FetchFailed(..) => true,
        BallistaError::ArrowError(error) => is_status(error),
        BallistaError::DataFusionError(error) => match error.find_root() {
            DataFusionError::ArrowError(error, _) => is_status(error),
            _ => of_ballista(error).is_some_and(is_lost_input),
        },
        _ => false,
    }
}

/// Ballista's own error below those of operators.
fn of_ballista(error: &DataFusionError) -> Option<&BallistaError> {
    match error.find_root() {
        DataFusionError::External(error) => error.downcast_ref(),
        _ => None,
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
    use datafusion::parquet::errors::ParquetError;
    use tonic::Status;

    #[test]
    fn lost_input_ends_the_job_by_name() {
        let broken = ArrowError::IpcError(Status::unknown("h2 protocol error").to_string());
        let broken = DataFusionError::ArrowError(Box::new(broken), None).context("while reading");
        let gone = BallistaError::FetchFailed("executor".into(), 1, 2, "refused".into());
        for error in [broken.into(), gone] {
            let failed = FailedTask::from(of_task(error, "here"));
            assert!(!failed.retryable && failed.error.contains(INPUT_LOST), "{failed:?}");
        }
    }

    #[test]
    fn an_error_of_the_query_stays_as_it_is() {
        for error in [
            DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None),
            DataFusionError::ArrowError(Box::new(ArrowError::IpcError("a file is cut off".into())), None),
        ] {
            let failed = FailedTask::from(of_task(error.into(), "here"));
            assert!(!failed.retryable && !failed.error.contains(INPUT_LOST), "{failed:?}");
        }
    }

    #[test]
    fn a_fault_names_the_executor_and_may_pass() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let cut_off = || ParquetError::EOF("the footer is cut off".into());
        for (error, kind, is_tried_again) in [
            (BallistaError::from(DataFusionError::IoError(full())), FaultKind::DiskFull, true),
            (BallistaError::IoError(full()), FaultKind::DiskFull, true),
            (DataFusionError::IoError(denied()).into(), FaultKind::Denied, false),
            (DataFusionError::External(Box::new(cut_off())).into(), FaultKind::Corrupt, false),
            (BallistaError::from(ArrowError::ExternalError(Box::new(cut_off()))), FaultKind::Corrupt, false),
        ] {
            let failed = FailedTask::from(of_task(error, "node-7"));
            let fault = Fault::from_text(&failed.error).expect("a fault");
            assert_eq!((fault.kind, failed.retryable), (kind, is_tried_again), "{failed:?}");
            assert!(fault.message.contains("node-7"), "{fault:?}");
        }
    }
}
