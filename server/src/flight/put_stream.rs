//! The messages of a DoPut: a command in the first one's descriptor, then perhaps a schema and batches.

use arrow::array::RecordBatch;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::Command;
use arrow_flight::{FlightData, FlightDescriptor};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tonic::{Status, Streaming};

use super::command;
use super::error;

pub(super) struct PutStream {
    first: FlightData,
    rest: Streaming<FlightData>,
}

impl PutStream {
    /// Takes the first message and the command in it.
    pub(super) async fn open(mut stream: Streaming<FlightData>) -> Result<(Command, Self), Status> {
        let mut first = stream.message().await?.ok_or_else(|| error::invalid("DoPut without a message"))?;
        let descriptor: FlightDescriptor = first
            .flight_descriptor
            .take()
            .ok_or_else(|| error::invalid("the first message of a DoPut has no descriptor"))?;
        Ok((command::of_descriptor(&descriptor)?, Self { first, rest: stream }))
    }

    /// Whether batches may follow. Updates without parameters come with a descriptor only.
    pub(super) fn has_schema(&self) -> bool {
        !self.first.data_header.is_empty()
    }

    /// The batches, up to the end of the stream.
    pub(super) fn batches(self) -> BoxStream<'static, Result<RecordBatch, Status>> {
        if !self.has_schema() {
            return stream::empty().boxed();
        }
        let messages = stream::iter([Ok(self.first)]).chain(self.rest).map_err(FlightError::from);
        FlightRecordBatchStream::new_from_flight_data(messages)
            .map_err(|error| match error {
                FlightError::Tonic(status) => *status,
                other => error::invalid(format!("the data cannot be read: {other}")),
            })
            .boxed()
    }
}
