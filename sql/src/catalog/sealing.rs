//! Values that are kept so that who reads the catalog store cannot read them: AES-256 in Galois/counter mode, NIST SP 800-38D.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use uuid::Uuid;

const KEY_BYTES: usize = 32;

/// The key of a server's secrets, in a file that it makes when it needs it. Cheap to clone.
#[derive(Clone)]
pub struct SealingKey {
    path: PathBuf,
    /// Else nothing is sealed unless the file is there.
    may_make: bool,
    /// What was read of it.
    key: Arc<Mutex<Option<LessSafeKey>>>,
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SealingKey {
    pub fn in_file(path: PathBuf) -> Self {
        Self { path, may_make: true, key: Arc::default() }
    }

    /// The same for a file that others have too, and which is not made.
    pub fn shared(path: PathBuf) -> Self {
        Self { may_make: false, ..Self::in_file(path) }
    }

    /// Fails with a sentence if the file is there and holds no key.
    pub fn check(&self) -> Result<(), String> {
        self.with_key(false, |_| Ok(())).map(|_| ())
    }

    /// `text` as text that only this key and `name` open.
    pub(crate) fn seal(&self, name: &str, text: &str) -> Result<String, String> {
        let sealed = self.with_key(self.may_make, |key| {
            let nonce: [u8; NONCE_LEN] = rand::random();
            let mut bytes = text.as_bytes().to_vec();
            key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name), &mut bytes)
                .map_err(|_| "the value is too long to be sealed".to_owned())?;
            Ok(STANDARD.encode([&nonce[..], &bytes].concat()))
        })?;
        sealed.ok_or_else(|| "servers that share a catalog need the same key: make it with openssl rand -base64 32 and give it as --secret-key".to_owned())
    }

    pub(crate) fn open(&self, name: &str, sealed: &str) -> Result<String, String> {
        let wrong = || format!("it was not sealed with the key in {}", self.path.display());
        let text = self.with_key(false, |key| {
            let mut bytes = STANDARD.decode(sealed).map_err(|_| wrong())?;
            let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(wrong)?;
            let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
            let text = key.open_in_place(nonce, Aad::from(name), sealed).map_err(|_| wrong())?;
            String::from_utf8(text.to_vec()).map_err(|_| wrong())
        })?;
        text.ok_or_else(wrong)
    }

    /// What `of` makes of the key; nothing if there is none and it is not to be made.
    fn with_key<T>(&self, make: bool, of: impl FnOnce(&LessSafeKey) -> Result<T, String>) -> Result<Option<T>, String> {
        let mut key = self.key.lock();
        if key.is_none() {
            *key = read(&self.path)?;
        }
        if key.is_none() && make {
            write(&self.path)?;
            *key = read(&self.path)?;
        }
        key.as_ref().map(of).transpose()
    }
}

fn read(path: &Path) -> Result<Option<LessSafeKey>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    let bytes = STANDARD.decode(text.trim()).ok().filter(|bytes| bytes.len() == KEY_BYTES);
    let key = bytes.and_then(|bytes| UnboundKey::new(&AES_256_GCM, &bytes).ok());
    match key {
        Some(key) => Ok(Some(LessSafeKey::new(key))),
        None => Err(format!("{} holds no key: {KEY_BYTES} bytes in base64, as of openssl rand -base64 {KEY_BYTES}", path.display())),
    }
}

/// Makes a key for the user of the server alone, unless there is one.
fn write(path: &Path) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{} cannot be made: {error}", path.display());
    let new = path.with_extension(format!("{}.new", Uuid::new_v4().simple()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(fail)?;
    let key: [u8; KEY_BYTES] = rand::random();
    let written = file.write_all(format!("{}\n", STANDARD.encode(key)).as_bytes()).and_then(|()| file.sync_all());
    // Of two servers one makes it; both read the same.
    let linked = written.and_then(|()| std::fs::hard_link(&new, path));
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What is sealed with it must not outlive it.
    let linked = linked.and_then(|()| std::fs::File::open(directory)?.sync_all());
    std::fs::remove_file(&new).map_err(fail)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(fail(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_and_the_name_open_what_was_sealed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("secret.key");
        let key = SealingKey::in_file(path.clone());
        assert!(key.open("lake", "AAAA").is_err() && key.check().is_ok() && !path.exists());
        let sealed = key.seal("lake", "canary").expect("sealed");
        assert!(!sealed.contains("canary") && sealed != key.seal("lake", "canary").expect("again"));
        let other = SealingKey::in_file(path.clone());
        assert_eq!(other.open("lake", &sealed).as_deref(), Ok("canary"));
        assert!(other.open("pond", &sealed).is_err());
        let elsewhere = SealingKey::in_file(directory.path().join("other.key"));
        elsewhere.seal("lake", "x").expect("a key is made");
        assert!(elsewhere.open("lake", &sealed).is_err());
        std::fs::write(&path, "nonsense").expect("written");
        assert!(SealingKey::in_file(path).check().expect_err("no key").contains("holds no key"));
    }
}
