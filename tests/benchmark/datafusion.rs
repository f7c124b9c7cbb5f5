//! Runs SQL files on DataFusion alone, in process, for comparison: reads a path a line, answers `milliseconds rows`.
//!
//! `datafusion_benchmark THREADS TABLE=PATH… -- [KEY=VALUE]…` registers Parquet files or directories and sets DataFusion's
//! options. Rows are counted batch by batch and dropped, never collected.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::TryStreamExt;

const USAGE: &str = "usage: datafusion_benchmark THREADS TABLE=PATH... -- [KEY=VALUE]...";

/// As the server does; the system allocator costs a third of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let threads: usize = arguments.next().ok_or(USAGE)?.parse()?;
    let tables: Vec<String> = arguments.by_ref().take_while(|argument| argument != "--").collect();
    let mut config = SessionConfig::new().with_target_partitions(threads);
    for option in arguments {
        let (key, value) = option.split_once('=').ok_or(USAGE)?;
        config.options_mut().set(key, value)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(serve(&tables, SessionContext::new_with_config(config)))
}

async fn serve(tables: &[String], ctx: SessionContext) -> Result<(), Box<dyn Error>> {
    for table in tables {
        let (name, path) = table.split_once('=').ok_or(USAGE)?;
        ctx.register_parquet(name, path, ParquetReadOptions::default()).await?;
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
