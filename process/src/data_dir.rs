//! A directory that belongs to one running process: locked while it runs, its scratch space swept when it starts.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{info, warn};

const LOCK_FILE: &str = "lock";
/// Only directories named so are ever swept: a scratch parent such as `/tmp` holds other people's files too.
const SCRATCH_PREFIX: &str = "arbalest-scratch-";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot create the directory \"{}\": {source}", path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("cannot write to the directory \"{}\": {source}", path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error("the directory \"{}\" is in use by another server{}", path.display(), by(.process_id))]
    InUse { path: PathBuf, process_id: Option<u32> },
}

fn by(process_id: &Option<u32>) -> String {
    process_id.map(|id| format!(" (process {id})")).unwrap_or_default()
}

/// A data directory held by this process. The lock is the operating system's: it goes when the process does, however
/// that ends, so a killed server leaves nothing to clean up by hand.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the directory if it is missing and locks it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        fs::create_dir_all(path).map_err(|source| Error::Create { path: path.into(), source })?;
        // Other parts of the process must not depend on the working directory.
        let path = path.canonicalize().map_err(|source| Error::Lock { path: path.into(), source })?;
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// The absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Scratch space of this process for spilled and intermediate data: gone when dropped, or when the next process that
/// uses the same parent sweeps it.
#[derive(Debug)]
pub struct ScratchDir {
    path: PathBuf,
    _lock: File,
}

impl ScratchDir {
    /// Creates a fresh directory under `parent`, which is created if missing, after removing what processes that are
    /// gone have left there.
    pub fn create(parent: &Path) -> Result<Self, Error> {
        create_private_dir_all(parent).map_err(|source| Error::Create { path: parent.into(), source })?;
        let parent = parent.canonicalize().map_err(|source| Error::Lock { path: parent.into(), source })?;
        sweep(&parent);
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // The process id alone repeats: in containers it is always the same.
        let path = parent.join(format!("{SCRATCH_PREFIX}{}-{:x}", std::process::id(), started.as_nanos()));
        create_private_dir_all(&path).map_err(|source| Error::Create { path: path.clone(), source })?;
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// The absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            warn!(path = %self.path.display(), %error, "scratch directory not removed; the next start will");
        }
    }
}

/// Removes scratch directories whose owner is gone: their lock is free.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(SCRATCH_PREFIX) {
            continue;
        }
        let path = entry.path();
        let Ok(_lock) = lock(&path) else { continue };
        match fs::remove_dir_all(&path) {
            Ok(()) => info!(path = %path.display(), "removed the scratch directory of a server that is gone"),
            Err(error) => warn!(path = %path.display(), %error, "scratch directory not removed"),
        }
    }
}

fn lock(directory: &Path) -> Result<File, Error> {
    let failed = |source| Error::Lock { path: directory.into(), source };
    let path = directory.join(LOCK_FILE);
    // Truncating before the lock is held would wipe the owner's process id.
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let process_id = file.read_to_string(&mut owner).ok().and_then(|_| owner.trim().parse().ok());
            return Err(Error::InUse { path: directory.into(), process_id });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(failed)?;
    Ok(file)
}

/// Spilled rows are nobody else's business on a shared machine.
fn create_private_dir_all(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_is_refused_until_the_first_ends() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataDir::open(&path).unwrap();
        let refused = DataDir::open(&path).unwrap_err().to_string();
        let expected = format!("is in use by another server (process {})", std::process::id());
        assert!(refused.ends_with(&expected), "{refused}");
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn a_lock_file_without_a_process_is_no_obstacle() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join(LOCK_FILE), "4194304999").unwrap();
        DataDir::open(parent.path()).unwrap();
    }

    #[test]
    fn a_file_in_place_of_the_directory_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        fs::write(&path, "").unwrap();
        let error = DataDir::open(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot create the directory \"{}\": ", path.display())), "{error}");
    }

    #[test]
    fn sweeping_takes_what_is_ours_and_dead_only() {
        let parent = tempfile::tempdir().unwrap();
        let stale = parent.path().join(format!("{SCRATCH_PREFIX}1-abc"));
        fs::create_dir_all(stale.join("datafusion-x")).unwrap();
        fs::create_dir_all(parent.path().join("someone-else")).unwrap();
        let live = ScratchDir::create(parent.path()).unwrap();
        assert!(!stale.exists());

        let second = ScratchDir::create(parent.path()).unwrap();
        assert!(live.path().exists() && second.path().exists());
        assert_ne!(live.path(), second.path());
        let path = live.path().to_owned();
        drop(live);
        assert!(!path.exists());
        assert!(parent.path().join("someone-else").exists());
    }
}
