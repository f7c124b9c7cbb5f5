//! What is read from files, and read again when they change.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

/// How long files are taken to be the same.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// A value that is made of files.
pub struct Reloaded<T> {
    what: &'static str,
    paths: Vec<PathBuf>,
    read: Box<dyn Fn() -> Result<T, String> + Send + Sync>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    stamps: Vec<Stamp>,
    looked: Instant,
}

/// When a file was changed, and its size; `None` if it cannot be told.
type Stamp = Option<(SystemTime, u64)>;

impl<T> Reloaded<T> {
    /// Reads the value for the first time. `what` it is, for people.
    pub fn new(what: &'static str, paths: Vec<PathBuf>, read: impl Fn() -> Result<T, String> + Send + Sync + 'static) -> Result<Self, String> {
        // Before it is read: what changes meanwhile is read again.
        let stamps = stamps(&paths);
        let state = State { value: Arc::new(read()?), stamps, looked: Instant::now() };
        Ok(Self { what, paths, read: Box::new(read), state: Mutex::new(state) })
    }

    /// The value as the files say, or as they said last if they cannot be read now. Looks at the files once a second.
    pub fn current(&self) -> Arc<T> {
        let mut state = self.state.lock();
        if state.looked.elapsed() < FRESH_FOR {
            return Arc::clone(&state.value);
        }
        state.looked = Instant::now();
        let stamps = stamps(&self.paths);
        if stamps != state.stamps {
            state.stamps = stamps;
            match (self.read)() {
                Ok(value) => {
                    tracing::info!(what = self.what, "read again");
                    state.value = Arc::new(value);
                }
                Err(error) => tracing::warn!(what = self.what, error, "has changed, but cannot be read; what was read before is used"),
            }
        }
        Arc::clone(&state.value)
    }
}

impl<T> fmt::Debug for Reloaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloaded").field("what", &self.what).field("paths", &self.paths).finish_non_exhaustive()
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    paths.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_again_when_they_change() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("number");
        std::fs::write(&path, "1").expect("is written");
        let file = path.clone();
        let read = move || std::fs::read_to_string(&file).map_err(|error| error.to_string())?.parse::<u32>().map_err(|error| error.to_string());
        let reloaded = Reloaded::new("a number", vec![path.clone()], read).expect("is read");
        let look = || {
            reloaded.state.lock().looked -= FRESH_FOR;
            *reloaded.current()
        };
        assert_eq!(look(), 1);
        std::fs::write(&path, "22").expect("is written");
        assert_eq!((*reloaded.current(), look()), (1, 22));
        std::fs::write(&path, "no number").expect("is written");
        assert_eq!(look(), 22);
        std::fs::write(&path, "3").expect("is written");
        assert_eq!(look(), 3);
    }
}
