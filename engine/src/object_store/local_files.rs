//! The local file system, whose errors name the file, and whose ranges are read without writing zeros first.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

#[derive(Debug, Default)]
pub(super) struct LocalFiles(LocalFileSystem);

/// A file that became shorter answers "Requested range was invalid", of which nobody can tell which file it is.
fn named(error: Error, location: &Path) -> Error {
    match error {
        Error::Generic { store, source } => Error::Generic { store, source: format!("file /{location}: {source}").into() },
        error => error,
    }
}

fn unread(source: io::Error, location: &Path) -> Error {
    match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound { path: format!("/{location}"), source: source.into() },
        _ => named(Error::Generic { store: "LocalFileSystem", source: source.into() }, location),
    }
}

fn read(path: &std::path::Path, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    ranges.iter().map(|range| read_range(&mut file, size, range)).collect()
}

fn read_range(file: &mut File, size: u64, range: &Range<u64>) -> io::Result<Bytes> {
    let Range { start, end } = *range;
    let too_short = || io::Error::other(format!("it has no bytes {start} to {end}: its size is {size}"));
    // Memory for what a damaged footer tells of is not asked for.
    let length = end.checked_sub(start).filter(|_| end <= size).ok_or_else(too_short)?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
    file.seek(SeekFrom::Start(start))?;
    match file.take(length).read_to_end(&mut bytes)? as u64 {
        read if read == length => Ok(bytes.into()),
        _ => Err(too_short()),
    }
}

impl fmt::Display for LocalFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for LocalFiles {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.0.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await.map_err(|error| named(error, location))
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (path, ranges) = (self.0.path_to_filesystem(location)?, ranges.to_vec());
        let reading = tokio::task::spawn_blocking(move || read(&path, &ranges));
        reading.await.map_err(io::Error::other).flatten().map_err(|error| unread(error, location))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.0.rename_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ranges_are_read_or_the_file_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("digits");
        std::fs::write(&path, "0123456789").expect("written");
        let location = Path::from_absolute_path(&path).expect("a path");
        let files = LocalFiles::default();

        let parts = files.get_ranges(&location, &[7..10, 0..2, 4..4]).await.expect("all there");
        assert_eq!(parts, [&b"789"[..], b"01", b""]);
        for range in [8..11, 11..12, 0..u64::MAX] {
            let error = files.get_ranges(&location, &[0..1, range]).await.expect_err("too short").to_string();
            assert!(error.contains("digits") && error.contains("its size is 10"), "{error}");
        }
        std::fs::remove_file(&path).expect("removed");
        let error = files.get_ranges(&location, &[0..1]).await.expect_err("gone");
        assert!(matches!(&error, Error::NotFound { path, .. } if path.ends_with("digits")), "{error}");
    }
}
