//! How far the sample is: a bar on a terminal, a log line now and then elsewhere.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use tracing::info;

/// A log line for every tenth of the rows.
const LOG_STEPS: u64 = 10;

pub(super) struct Progress {
    rows: u64,
    done: AtomicU64,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn start(rows: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "Generating TPC-H {wide_bar} {percent}% of {human_len} rows, {eta} left";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(rows).with_style(style)
        });
        Self { rows, done: AtomicU64::new(0), bar }
    }

    pub(super) fn advance(&self, rows: u64) {
        let before = self.done.fetch_add(rows, Ordering::Relaxed);
        match &self.bar {
            Some(bar) => bar.inc(rows),
            None => {
                let step = |done: u64| done * LOG_STEPS / self.rows.max(1);
                if step(before) < step(before + rows) && before + rows < self.rows {
                    info!(percent = (before + rows) * 100 / self.rows.max(1), "generating TPC-H tables");
                }
            }
        }
    }

    /// Takes the bar away: what follows is the ready line.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
