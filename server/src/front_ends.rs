//! The front ends while they run: each is a task, and the first that ends before it is told to ends the server.

use std::fmt::Display;
use std::future::Future;

use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::FuturesUnordered;
use process::shutdown::Shutdown;
use tracing::{Instrument, error_span, info};

use crate::error::Error;

#[derive(Default)]
pub(crate) struct FrontEnds {
    running: FuturesUnordered<BoxFuture<'static, (&'static str, Result<(), String>)>>,
}

impl FrontEnds {
    /// Starts `front_end`, which serves until the process drains.
    pub(crate) fn start<E: Display>(
        &mut self,
        name: &'static str,
        front_end: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let served = async move { front_end.await.map_err(|error| error.to_string()) };
        let task = tokio::spawn(served.instrument(error_span!("front_end", name)));
        // A panic is an end before time like any other.
        let ended = task.map(move |ended| (name, ended.unwrap_or_else(|panic| Err(panic.to_string()))));
        self.running.push(ended.boxed());
    }

    /// Waits for the drain and then for every front end. One that ends before starts the drain of the others, as a
    /// server that answers on half of its ports helps nobody.
    pub(crate) async fn until_drained(mut self, shutdown: &Shutdown) -> Result<(), Error> {
        let mut result = Ok(());
        loop {
            let ended = tokio::select! {
                ended = self.running.next(), if !self.running.is_empty() => ended,
                () = shutdown.draining(), if self.running.is_empty() => return result,
            };
            let Some((front_end, outcome)) = ended else { continue };
            match outcome {
                Ok(()) if shutdown.is_draining() => info!(front_end, "drained"),
                outcome => {
                    let reason = outcome.err().unwrap_or_else(|| "without a reason".into());
                    result = result.and(Err(Error::FrontEnd { front_end, reason }));
                    shutdown.start_drain();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_ends_early_drains_the_others() {
        let shutdown = Shutdown::new();
        let mut front_ends = FrontEnds::default();
        let drained = shutdown.clone();
        front_ends.start("postgres", async move {
            drained.draining().await;
            Ok::<_, String>(())
        });
        front_ends.start("flight", async { Err("as the test wants") });
        let error = front_ends.until_drained(&shutdown).await.unwrap_err();
        assert_eq!(error.to_string(), "the flight front end ended: as the test wants");
    }

    #[tokio::test]
    async fn without_front_ends_it_waits_for_the_drain() {
        let shutdown = Shutdown::new();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { FrontEnds::default().until_drained(&shutdown).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        shutdown.start_drain();
        waiting.await.unwrap().unwrap();
    }
}
