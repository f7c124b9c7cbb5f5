//! The first line of a text file, decompressed.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::error::Result;
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use super::FileName;

const LINE_BYTES_MAX: usize = 1 << 20;

/// The first line that is not blank, without its end; `None` if it is longer than a mebibyte.
pub(super) async fn first_line(file: &ObjectMeta, name: &FileName, store: &Arc<dyn ObjectStore>) -> Result<Option<Vec<u8>>> {
    let bytes = store.get(&file.location).await?.into_stream().map_err(DataFusionError::from).boxed();
    let mut text = name.compression.convert_stream(bytes)?;
    let mut line = Vec::new();
    while let Some(chunk) = text.try_next().await? {
        line.extend_from_slice(&chunk);
        let start = line.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(line.len());
        if let Some(length) = line[start..].iter().position(|byte| *byte == b'\n') {
            return Ok(Some(line[start..start + length].to_vec()));
        }
        if line.len() > LINE_BYTES_MAX {
            return Ok(None);
        }
    }
    Ok(Some(line))
}
