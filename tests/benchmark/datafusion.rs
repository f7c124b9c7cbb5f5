//! Runs SQL files on DataFusion alone, in process, for comparison: reads a path a line, answers `milliseconds rows`.
//!
//! `datafusion_benchmark DIRECTORY THREADS [KEY=VALUE]…` serves every `<table>.parquet` and `<table>/` of DIRECTORY and
//! sets DataFusion's options KEY. Rows are counted batch by batch and dropped, never collected.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::TryStreamExt;

/// As the server does; the system allocator costs a third of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, threads, options @ ..] = arguments.as_slice() else {
        return Err("usage: datafusion_benchmark DIRECTORY THREADS [KEY=VALUE]...".into());
    };
    let threads: usize = threads.parse()?;
    let mut config = SessionConfig::new().with_target_partitions(threads);
    for option in options {
        let (key, value) = option.split_once('=').ok_or("an option is KEY=VALUE")?;
        config.options_mut().set(key, value)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(serve(Path::new(directory), SessionContext::new_with_config(config)))
}

async fn serve(directory: &Path, ctx: SessionContext) -> Result<(), Box<dyn Error>> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let is_table = path.is_dir() || path.extension().is_some_and(|extension| extension == "parquet");
        if let (true, Some(name), Some(text)) = (is_table, path.file_stem().and_then(|name| name.to_str()), path.to_str()) {
            ctx.register_parquet(name, text, ParquetReadOptions::default()).await?;
        }
    }
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let sql = std::fs::read_to_string(line?)?;
        let start = Instant::now();
        let mut rows = 0;
        let mut stream = ctx.sql(&sql).await?.execute_stream().await?;
        while let Some(batch) = stream.try_next().await? {
            rows += batch.num_rows();
        }
        println!("{:.3} {rows}", start.elapsed().as_secs_f64() * 1e3);
        std::io::stdout().flush()?;
    }
    Ok(())
}
