//! Faults of files, disks and memory: a query meets them in this process or in a task elsewhere, and the user is told the same.

use std::error::Error;
use std::io;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;

/// What is wrong, in a sentence for the user, and of which class it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// No space for shuffle files or for what is spilled.
    DiskFull,
    /// The store knows the credentials and refuses, or does not know them.
    Denied,
    Missing,
    /// Reading or writing failed, perhaps for a while only.
    Io,
    /// The contents are not what the format says.
    Corrupt,
    /// No memory for what cannot be spilled.
    OutOfMemory,
}

const KINDS: [(FaultKind, &str); 6] = [
    (FaultKind::DiskFull, "disk-full"),
    (FaultKind::Denied, "denied"),
    (FaultKind::Missing, "missing"),
    (FaultKind::Io, "io"),
    (FaultKind::Corrupt, "corrupt"),
    (FaultKind::OutOfMemory, "out-of-memory"),
];
const DISK_FULL_WORDS: [&str; 2] = ["No space left on device", "Disk quota exceeded"];
const BEGIN: &str = "[fault ";
const END: &str = "[end of fault]";

impl Fault {
    /// The fault at the root of an error; `None` if the error is of another nature.
    pub fn of(error: &DataFusionError) -> Option<Self> {
        match error.find_root() {
            DataFusionError::ObjectStore(error) => Some(of_store(error)),
            DataFusionError::IoError(error) => Some(Self::of_io(error)),
            DataFusionError::ParquetError(error) => Some(of_parquet(error)),
            DataFusionError::ArrowError(error, _) => Self::of_arrow(error),
            DataFusionError::External(error) => of_any(error.as_ref()),
            DataFusionError::ResourcesExhausted(message) => {
                Some(Self { kind: FaultKind::OutOfMemory, message: message.clone() })
            }
            _ => None,
        }
    }

    pub fn of_io(error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FaultKind::DiskFull,
            io::ErrorKind::NotFound => FaultKind::Missing,
            io::ErrorKind::PermissionDenied => FaultKind::Denied,
            // Wrapped in another one, of which only the words are left.
            _ if DISK_FULL_WORDS.iter().any(|words| error.to_string().contains(words)) => FaultKind::DiskFull,
            _ => FaultKind::Io,
        };
        Self { kind, message: error.to_string() }
    }

    pub fn of_arrow(error: &ArrowError) -> Option<Self> {
        match error {
            ArrowError::IoError(_, error) => Some(Self::of_io(error)),
            ArrowError::ParquetError(message) => Some(corrupt(message)),
            ArrowError::ExternalError(error) => of_any(error.as_ref()),
            _ => None,
        }
    }

    /// For the text of a task's failure, in which it survives being wrapped and printed.
    pub fn to_text(&self) -> String {
        let name = KINDS.iter().find(|(kind, _)| *kind == self.kind).map_or("io", |(_, name)| name);
        format!("{BEGIN}{name}] {} {END}", self.message)
    }

    /// The fault that a failure's text holds.
    pub fn from_text(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(BEGIN)?;
        let (name, rest) = rest.split_once("] ")?;
        let (message, _) = rest.split_once(END)?;
        let (kind, _) = KINDS.iter().find(|(_, known)| *known == name)?;
        // It was printed for debugging.
        let message = message.replace("\\n", "\n").replace("\\\"", "\"").replace("\\'", "'").replace("\\\\", "\\");
        Some(Self { kind: *kind, message: message.trim_end().to_owned() })
    }
}

/// Libraries wrap one another's errors.
fn of_any(error: &(dyn Error + 'static)) -> Option<Fault> {
    if let Some(error) = error.downcast_ref::<DataFusionError>() {
        return Fault::of(error);
    }
    if let Some(error) = error.downcast_ref::<ArrowError>() {
        return Fault::of_arrow(error);
    }
    if let Some(error) = error.downcast_ref::<ParquetError>() {
        return Some(of_parquet(error));
    }
    if let Some(error) = error.downcast_ref::<object_store::Error>() {
        return Some(of_store(error));
    }
    error.downcast_ref::<io::Error>().map(Fault::of_io)
}

fn of_store(error: &object_store::Error) -> Fault {
    use object_store::Error as E;
    match error {
        E::NotFound { path, .. } => {
            Fault { kind: FaultKind::Missing, message: format!("file \"{path}\" does not exist") }
        }
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            Fault { kind: FaultKind::Denied, message: error.to_string() }
        }
        E::Generic { source, .. } => match source.downcast_ref::<io::Error>().or_else(|| source.source()?.downcast_ref()) {
            Some(cause) => Fault { message: error.to_string(), ..Fault::of_io(cause) },
            None => Fault { kind: FaultKind::Io, message: error.to_string() },
        },
        _ => Fault { kind: FaultKind::Io, message: error.to_string() },
    }
}

fn of_parquet(error: &ParquetError) -> Fault {
    if let ParquetError::External(source) = error {
        if let Some(error) = source.downcast_ref() {
            return of_store(error);
        }
        if let Some(error) = source.downcast_ref() {
            return Fault::of_io(error);
        }
    }
    corrupt(&error.to_string())
}

fn corrupt(message: &str) -> Fault {
    Fault { kind: FaultKind::Corrupt, message: format!("a Parquet file cannot be read: {message}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parquet(error: object_store::Error) -> DataFusionError {
        DataFusionError::ParquetError(Box::new(ParquetError::External(Box::new(error)))).context("while scanning")
    }

    #[test]
    fn classes() {
        let denied = || object_store::Error::PermissionDenied { path: "a".into(), source: "403".into() };
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let corrupt = ParquetError::General("bad page".into());
        for (error, kind) in [
            (parquet(denied()), FaultKind::Denied),
            (DataFusionError::ObjectStore(Box::new(denied())), FaultKind::Denied),
            (DataFusionError::IoError(full()), FaultKind::DiskFull),
            (DataFusionError::ArrowError(Box::new(ArrowError::IoError("x".into(), full())), None), FaultKind::DiskFull),
            (DataFusionError::ParquetError(Box::new(corrupt)), FaultKind::Corrupt),
            (DataFusionError::ResourcesExhausted("x".into()).context("a sort"), FaultKind::OutOfMemory),
        ] {
            assert_eq!(Fault::of(&error).map(|fault| fault.kind), Some(kind), "{error}");
        }
        assert_eq!(Fault::of(&DataFusionError::Execution("division by zero".into())), None);
    }

    #[test]
    fn it_survives_the_text_of_a_failed_job() {
        let fault = Fault { kind: FaultKind::Denied, message: "the \"key\" of C:\\lake\nis unknown".into() };
        let text = format!("Job failed due to stage 3 failed: Task failed: {:?}", Err::<(), _>(fault.to_text()));
        assert_eq!(Fault::from_text(&text), Some(fault));
        assert_eq!(Fault::from_text("Task failed: [fault "), None);
    }
}
