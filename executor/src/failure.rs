//! Which failures of a task are worth another attempt.

use std::io;

use ballista_core::error::BallistaError;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

/// The error as the scheduler is to see it, which runs a task again after an error of input or output.
///
/// A connection to another executor that breaks while rows come over it is reported as an error of the Arrow format, which
/// would fail the query. The next attempt finds out whether that executor is gone, and says so in the scheduler's words.
pub(crate) fn of_task(error: BallistaError) -> BallistaError {
    let is_lost_connection = match &error {
        BallistaError::DataFusionError(error) => match error.find_root() {
            DataFusionError::ArrowError(error, _) => is_status(error),
            _ => false,
        },
        BallistaError::ArrowError(error) => is_status(error),
        _ => false,
    };
    match is_lost_connection {
        true => BallistaError::IoError(io::Error::new(io::ErrorKind::ConnectionReset, error.to_string())),
        false => error,
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
    fn a_broken_connection_is_tried_again() {
        let broken = ArrowError::IpcError(Status::unknown("h2 protocol error").to_string());
        let error = DataFusionError::ArrowError(Box::new(broken), None).context("while reading");
        assert!(FailedTask::from(of_task(error.into())).retryable);
    }

    #[test]
    fn an_error_of_the_query_is_not() {
        for error in [
            DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None),
            DataFusionError::ArrowError(Box::new(ArrowError::IpcError("a file is cut off".into())), None),
        ] {
            assert!(!FailedTask::from(of_task(error.into())).retryable);
        }
    }
}
