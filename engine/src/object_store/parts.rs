//! Parts of remote files, kept in memory.
//!
//! A part belongs to one version of a file: the size and time of change that the plan says the file has. What is read is
//! checked against it, so that a file that was replaced after the query was planned is an error, never a mixture.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{
    FileScanConfig, FileScanConfigBuilder, ParquetFileReaderFactory, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};
use futures::FutureExt;
use futures::future::BoxFuture;
use moka::sync::Cache;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, coalesce_ranges};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use crate::metrics;

/// A part larger than this share of the cache would push out too many others.
const PART_SHARE: u64 = 8;
/// Of each entry, besides its bytes.
const ENTRY_BYTES: u64 = 200;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PartKey {
    store: Arc<str>,
    path: Path,
    size: u64,
    last_modified: DateTime<Utc>,
    range: Range<u64>,
}

/// The cache of a process, bounded in bytes.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    cache: Cache<PartKey, Bytes>,
    part_bytes_max: u64,
}

impl Parts {
    pub(super) fn new(bytes: u64) -> Self {
        let weigh = |key: &PartKey, bytes: &Bytes| {
            let size = ENTRY_BYTES + key.path.as_ref().len() as u64 + bytes.len() as u64;
            u32::try_from(size).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().max_capacity(bytes).weigher(weigh).build();
        Self { cache, part_bytes_max: bytes / PART_SHARE }
    }
}

/// The plan with its scans of remote Parquet files reading through the cache.
pub(super) fn cached(
    plan: Arc<dyn ExecutionPlan>,
    parts: &Parts,
    runtime: &RuntimeEnv,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let Some(scan) = node.downcast_ref::<DataSourceExec>() else { return Ok(Transformed::no(node)) };
        let Some((config, source)) = scan.downcast_to_file_source::<ParquetSource>() else {
            return Ok(Transformed::no(node));
        };
        if config.object_store_url.as_str().starts_with("file:") {
            return Ok(Transformed::no(node));
        }
        let source = source.clone().with_parquet_file_reader_factory(Arc::new(readers(config, parts, runtime)?));
        let config = FileScanConfigBuilder::from(config.clone()).with_source(Arc::new(source)).build();
        Ok(Transformed::yes(DataSourceExec::from_data_source(config)))
    })
    .data()
}

fn readers(config: &FileScanConfig, parts: &Parts, runtime: &RuntimeEnv) -> Result<PartReaders> {
    let store = runtime.object_store(&config.object_store_url)?;
    let footers = runtime.cache_manager.get_file_metadata_cache();
    Ok(PartReaders {
        footers: CachedParquetFileReaderFactory::new(Arc::clone(&store), footers),
        store,
        store_name: config.object_store_url.as_str().into(),
        parts: parts.clone(),
    })
}

#[derive(Debug)]
struct PartReaders {
    footers: CachedParquetFileReaderFactory,
    store: Arc<dyn ObjectStore>,
    store_name: Arc<str>,
    parts: Parts,
}

impl ParquetFileReaderFactory for PartReaders {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let object = file.object_meta.clone();
        let counter = |name: &'static str| {
            MetricBuilder::new(metrics).with_new_label("filename", object.location.to_string()).counter(name, partition_index)
        };
        let file_parts = FileParts {
            store: Arc::clone(&self.store),
            store_name: Arc::clone(&self.store_name),
            parts: self.parts.clone(),
            bytes_scanned: counter("bytes_scanned"),
            bytes_cached: counter("bytes_cached"),
            object,
        };
        let footer = self.footers.create_reader(partition_index, file, metadata_size_hint, metrics)?;
        Ok(Box::new(PartReader { parts: file_parts, footer }))
    }
}

struct PartReader {
    parts: FileParts,
    /// Reads the footer alone, which has a cache of its own.
    footer: Box<dyn AsyncFileReader + Send>,
}

/// The parts of one version of one file.
struct FileParts {
    store: Arc<dyn ObjectStore>,
    store_name: Arc<str>,
    object: ObjectMeta,
    parts: Parts,
    bytes_scanned: Count,
    bytes_cached: Count,
}

impl FileParts {
    fn key(&self, range: &Range<u64>) -> PartKey {
        PartKey {
            store: Arc::clone(&self.store_name),
            path: self.object.location.clone(),
            size: self.object.size,
            last_modified: self.object.last_modified,
            range: range.clone(),
        }
    }

    async fn read(&self, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        let mut parts: Vec<Option<Bytes>> = ranges.iter().map(|range| self.parts.cache.get(&self.key(range))).collect();
        let missing: Vec<usize> = (0..ranges.len()).filter(|index| parts[*index].is_none()).collect();
        let found: usize = parts.iter().flatten().map(Bytes::len).sum();
        self.bytes_cached.add(found);
        metrics::object_parts(ranges.len() - missing.len(), missing.len());
        if !missing.is_empty() {
            let wanted: Vec<Range<u64>> = missing.iter().map(|index| ranges[*index].clone()).collect();
            let fetched = coalesce_ranges(&wanted, |range| self.fetch(range), OBJECT_STORE_COALESCE_DEFAULT).await?;
            for (index, bytes) in missing.into_iter().zip(fetched) {
                self.bytes_scanned.add(bytes.len());
                if (bytes.len() as u64) <= self.parts.part_bytes_max {
                    // A copy: a slice would keep all that was fetched with it.
                    self.parts.cache.insert(self.key(&ranges[index]), Bytes::copy_from_slice(&bytes));
                }
                parts[index] = Some(bytes);
            }
        }
        Ok(parts.into_iter().flatten().collect())
    }

    async fn fetch(&self, range: Range<u64>) -> object_store::Result<Bytes> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..Default::default() };
        let part = self.store.get_opts(&self.object.location, options).await?;
        if !is_same_version(&self.object, &part.meta) {
            return Err(object_store::Error::Precondition {
                path: self.object.location.to_string(),
                source: "the file was replaced while the query ran".into(),
            });
        }
        metrics::object_bytes_read(part.range.end - part.range.start);
        part.bytes().await
    }
}

/// Whether the file that a response is from is the one that was listed. Headers have whole seconds, or no time at all.
fn is_same_version(listed: &ObjectMeta, read: &ObjectMeta) -> bool {
    let (listed_at, read_at) = (listed.last_modified.timestamp(), read.last_modified.timestamp());
    listed.size == read.size && (listed_at == read_at || read_at == 0)
}

impl AsyncFileReader for PartReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move {
            let parts = self.parts.read(std::slice::from_ref(&range)).await.map_err(external)?;
            parts.into_iter().next().ok_or_else(|| ParquetError::EOF("a part of a file is missing".into()))
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move { self.parts.read(&ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        self.footer.get_metadata(options)
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;
    use object_store::{ObjectStoreExt, PutPayload};

    async fn file_parts(store: &Arc<dyn ObjectStore>, parts: &Parts) -> FileParts {
        FileParts {
            store: Arc::clone(store),
            store_name: "s3://bucket/".into(),
            object: store.head(&Path::from("a.parquet")).await.expect("the file"),
            parts: parts.clone(),
            bytes_scanned: Count::new(),
            bytes_cached: Count::new(),
        }
    }

    #[tokio::test]
    async fn parts_are_read_once_and_never_from_another_version() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let parts = Parts::new(1 << 20);
        let path = Path::from("a.parquet");
        store.put(&path, PutPayload::from_static(b"0123456789")).await.expect("written");
        let first = file_parts(&store, &parts).await;
        assert_eq!(first.read(&[2..4, 6..7]).await.expect("read"), ["23", "6"]);
        assert_eq!(first.read(&[6..7, 8..9, 2..4]).await.expect("read"), ["6", "8", "23"]);
        assert_eq!((first.bytes_scanned.value(), first.bytes_cached.value()), (4, 3));

        store.put(&path, PutPayload::from_static(b"another file")).await.expect("written");
        let error = first.read(&[0..1]).await.expect_err("the file was replaced");
        assert!(error.to_string().contains("replaced"), "{error}");
        assert_eq!(file_parts(&store, &parts).await.read(&[2..4]).await.expect("read"), ["ot"]);
    }

    #[tokio::test]
    async fn a_large_part_is_not_kept() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        store.put(&Path::from("a.parquet"), PutPayload::from_static(&[7; 1000])).await.expect("written");
        let parts = file_parts(&store, &Parts::new(4000)).await;
        for _ in 0..2 {
            parts.read(&[0..501]).await.expect("read");
        }
        assert_eq!(parts.bytes_cached.value(), 0);
    }
}
