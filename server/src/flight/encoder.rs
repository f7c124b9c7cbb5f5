//! Record batches → Flight messages: batches of a good size, split by what they really hold, and never copied.
//!
//! A message refers to the buffers of its batch. What arrow-flight's encoder does instead, and why not here: it splits by
//! buffer capacity (a slice of ten rows of a large batch becomes many messages) and drops batches without rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::datatypes::{DataType, Schema};
use arrow_flight::{FlightData, SchemaAsIpc};
use arrow_ipc::writer::{IpcWriteOptions, StreamEncoder};
use tonic::Status;

use super::error;

/// One batch of the engine, 8,192 rows of TPC-H's widest table, is one message; a few of them in flight are little memory.
pub(super) const MESSAGE_BYTES_TARGET: usize = 3 << 20;
/// tonic and grpc-go clients refuse messages above 4 MiB. Only a single row may be larger.
pub(super) const MESSAGE_BYTES_MAX: usize = 7 << 19;
/// An IPC message starts with a continuation marker and the length of its header.
const PREFIX_BYTES: usize = 8;

/// One IPC message in the parts that a FlightData has: the header, and a body that is a list of buffers.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) header: Buffer,
    pub(super) body: Vec<Buffer>,
    pub(super) rows: usize,
}

impl Message {
    pub(super) fn body_bytes(&self) -> usize {
        self.body.iter().map(|buffer| buffer.len()).sum()
    }
}

/// Encodes the batches of one stream, which all have the schema it was made for.
pub(super) struct Encoder {
    schema_header: Buffer,
    stream: StreamEncoder,
    /// The stream encoder puts the schema in front of its first batch; ours goes out before there is one.
    schema_pending: bool,
}

impl Encoder {
    pub(super) fn new(schema: &Schema) -> Result<Self, Status> {
        let options = IpcWriteOptions::default();
        let FlightData { data_header, .. } = SchemaAsIpc::new(schema, &options).into();
        let stream = StreamEncoder::try_new_with_options(schema, options)
            .map_err(|error| error::internal(format!("the schema cannot be encoded: {error}")))?;
        Ok(Self { schema_header: Buffer::from(data_header), stream, schema_pending: true })
    }

    /// The first message of the stream.
    pub(super) fn schema(&self) -> Message {
        Message { header: self.schema_header.clone(), body: Vec::new(), rows: 0 }
    }

    /// `batch` in messages of about [`MESSAGE_BYTES_TARGET`]; one without rows is one message.
    pub(super) fn encode(&mut self, batch: &RecordBatch) -> Result<Vec<Message>, Status> {
        let mut messages = Vec::with_capacity(1);
        for part in split(batch) {
            let buffers = self
                .stream
                .encode(&part)
                .map_err(|error| error::internal(format!("a batch cannot be encoded: {error}")))?;
            let mut parts = messages_of(buffers, part.num_rows())?;
            if std::mem::take(&mut self.schema_pending) && !parts.is_empty() {
                parts.remove(0);
            }
            messages.append(&mut parts);
        }
        Ok(messages)
    }
}

/// Cuts an IPC stream, given as the buffers it is made of, into its messages.
fn messages_of(buffers: Vec<Buffer>, rows: usize) -> Result<Vec<Message>, Status> {
    let mut messages = Vec::with_capacity(1);
    let mut cursor = Cursor { buffers: buffers.into_iter(), current: Buffer::from(&[]) };
    while let Some(prefix) = cursor.take(PREFIX_BYTES)? {
        let length: [u8; 4] = prefix[4..].try_into().map_err(|_| malformed())?;
        let length = usize::try_from(i32::from_le_bytes(length)).map_err(|_| malformed())?;
        let header = cursor.take(length)?.ok_or_else(malformed)?;
        let body_bytes = arrow_ipc::root_as_message(&header).map_err(|_| malformed())?.bodyLength();
        let body = cursor.take_list(usize::try_from(body_bytes).map_err(|_| malformed())?)?;
        messages.push(Message { header, body, rows });
    }
    Ok(messages)
}

fn malformed() -> Status {
    error::internal("the encoder made a malformed message")
}

/// Reads a list of buffers as if it were one, without copying what is not torn.
struct Cursor {
    buffers: std::vec::IntoIter<Buffer>,
    current: Buffer,
}

impl Cursor {
    /// The next `length` bytes, in one piece. `None` at the end.
    fn take(&mut self, length: usize) -> Result<Option<Buffer>, Status> {
        let list = self.take_list(length)?;
        Ok(match <[Buffer; 1]>::try_from(list) {
            Ok([buffer]) => Some(buffer),
            Err(list) if list.is_empty() => None,
            Err(list) => Some(Buffer::from_vec(list.iter().flat_map(|buffer| buffer.iter().copied()).collect::<Vec<u8>>())),
        })
    }

    /// The next `length` bytes, as the pieces they are in. Empty at the end.
    fn take_list(&mut self, mut length: usize) -> Result<Vec<Buffer>, Status> {
        let mut list = Vec::new();
        while length > 0 {
            if self.current.is_empty() {
                match self.buffers.next() {
                    Some(buffer) => self.current = buffer,
                    None if list.is_empty() => return Ok(list),
                    None => return Err(malformed()),
                }
                continue;
            }
            let piece = length.min(self.current.len());
            list.push(self.current.slice_with_length(0, piece));
            self.current = self.current.slice(piece);
            length -= piece;
        }
        Ok(list)
    }
}

/// `batch` in slices of about the target size. Rows of very different sizes are cut again until no slice is too large.
fn split(batch: &RecordBatch) -> Vec<RecordBatch> {
    let rows = batch.num_rows();
    let parts = batch_bytes(batch).div_ceil(MESSAGE_BYTES_TARGET).clamp(1, rows.max(1));
    if parts == 1 {
        return vec![batch.clone()];
    }
    let rows_per_part = rows.div_ceil(parts);
    let mut slices = Vec::with_capacity(parts);
    for start in (0..rows).step_by(rows_per_part) {
        bisect(batch.slice(start, rows_per_part.min(rows - start)), &mut slices);
    }
    slices
}

fn bisect(slice: RecordBatch, slices: &mut Vec<RecordBatch>) {
    let rows = slice.num_rows();
    if rows <= 1 || batch_bytes(&slice) <= MESSAGE_BYTES_MAX {
        slices.push(slice);
        return;
    }
    bisect(slice.slice(0, rows / 2), slices);
    bisect(slice.slice(rows / 2, rows - rows / 2), slices);
}

/// The bytes that the rows of `batch` take, not those of the buffers they are a slice of.
pub(super) fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(column_bytes).sum()
}

fn column_bytes(column: &ArrayRef) -> usize {
    // Arrow counts the whole child of a list, however few of its values the slice has.
    let elements = match column.data_type() {
        DataType::List(_) => elements(column.as_list::<i32>().offsets(), column.as_list::<i32>().values()),
        DataType::LargeList(_) => elements(column.as_list::<i64>().offsets(), column.as_list::<i64>().values()),
        DataType::Map(..) => {
            let map = column.as_map();
            elements(map.offsets(), &(Arc::new(map.entries().clone()) as ArrayRef))
        }
        DataType::Struct(_) => return column.as_struct().columns().iter().map(column_bytes).sum::<usize>() + column.len() / 8,
        _ => {
            let data = column.to_data();
            return data.get_slice_memory_size().unwrap_or_else(|_| column.get_buffer_memory_size());
        }
    };
    elements + column.len() / 8
}

fn elements<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>, values: &ArrayRef) -> usize {
    let start = offsets.first().map_or(0, |start| start.as_usize());
    let end = offsets.last().map_or(0, |end| end.as_usize());
    size_of_val::<[O]>(offsets) + column_bytes(&values.slice(start, end - start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BinaryArray, BooleanArray, Int64Array, ListArray, RecordBatchOptions, StringArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::{Int32Type, SchemaRef};
    use arrow_flight::decode::FlightRecordBatchStream;
    use futures::{TryStreamExt, stream};

    fn flight_data(message: Message) -> FlightData {
        let body: Vec<u8> = message.body.iter().flat_map(|buffer| buffer.iter().copied()).collect();
        FlightData::new().with_data_header(message.header.to_vec()).with_data_body(body)
    }

    fn round_trip(batches: &[RecordBatch]) -> (Vec<RecordBatch>, Vec<usize>) {
        let schema: SchemaRef = batches[0].schema();
        let mut encoder = Encoder::new(&schema).expect("an encoder");
        let mut messages = vec![encoder.schema()];
        for batch in batches {
            messages.extend(encoder.encode(batch).expect("encodes"));
        }
        let sizes = messages.iter().skip(1).map(Message::body_bytes).collect();
        let data = messages.into_iter().map(|message| Ok(flight_data(message)));
        let decoder = FlightRecordBatchStream::new_from_flight_data(stream::iter(data));
        let decoded = futures::executor::block_on(decoder.try_collect()).expect("decodes");
        (decoded, sizes)
    }

    fn wide(rows: i64) -> RecordBatch {
        let lists = (0..rows).map(|row| (row % 5 != 0).then(|| vec![Some(row as i32); (row % 4) as usize]));
        RecordBatch::try_from_iter_with_nullable([
            ("i", Arc::new(Int64Array::from_iter_values(0..rows)) as ArrayRef, true),
            ("b", Arc::new((0..rows).map(|row| (row % 3 != 0).then_some(row % 2 == 0)).collect::<BooleanArray>()) as ArrayRef, true),
            ("s", Arc::new(StringArray::from_iter((0..rows).map(|row| (row % 7 != 0).then(|| format!("row {row}"))))) as ArrayRef, true),
            ("l", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)) as ArrayRef, true),
        ])
        .expect("a batch")
    }

    #[test]
    fn what_is_sent_is_what_was_given() {
        let batch = wide(400_000);
        let (decoded, sizes) = round_trip(std::slice::from_ref(&batch));
        assert!(decoded.len() > 3 && sizes.iter().all(|&size| size < 4 << 20), "{sizes:?}");
        assert_eq!(concat_batches(&batch.schema(), &decoded).expect("one schema"), batch);
    }

    #[test]
    fn a_small_slice_of_a_large_batch_is_a_small_message() {
        let slice = wide(500_000).slice(123_457, 10);
        let (decoded, sizes) = round_trip(std::slice::from_ref(&slice));
        assert_eq!(decoded, [slice]);
        assert!(sizes[0] < 4_096, "{sizes:?}");
    }

    #[test]
    fn buffers_are_not_copied() {
        let batch = wide(10_000);
        let mut encoder = Encoder::new(&batch.schema()).expect("an encoder");
        let message = encoder.encode(&batch).expect("encodes").remove(0);
        let values = batch.column(0).to_data().buffers()[0].as_ptr();
        assert!(message.body.iter().any(|buffer| buffer.as_ptr() == values));
    }

    #[test]
    fn batches_without_rows_and_rows_without_columns_are_sent() {
        let (decoded, _) = round_trip(&[wide(0), wide(3), wide(0)]);
        assert_eq!(decoded.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [0, 3, 0]);
        let options = RecordBatchOptions::new().with_row_count(Some(9));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).expect("a batch");
        let (decoded, _) = round_trip(&[batch]);
        assert_eq!(decoded[0].num_rows(), 9);
    }

    #[test]
    fn rows_of_very_different_sizes_are_bounded() {
        let large = vec![7u8; 3 << 20];
        let values: Vec<&[u8]> = (0..1_000).map(|row| if row % 100 == 0 { &large[..] } else { &b"x"[..] }).collect();
        let batch = RecordBatch::try_from_iter([("b", Arc::new(BinaryArray::from_vec(values)) as ArrayRef)]).expect("a batch");
        let (decoded, sizes) = round_trip(std::slice::from_ref(&batch));
        assert_eq!(decoded.iter().map(RecordBatch::num_rows).sum::<usize>(), 1_000);
        assert!(sizes.iter().all(|&size| size <= MESSAGE_BYTES_MAX), "{sizes:?}");
        let single = RecordBatch::try_from_iter([("b", Arc::new(BinaryArray::from_vec(vec![&[7u8; 6 << 20][..], b"x"])) as ArrayRef)])
            .expect("a batch");
        assert_eq!(round_trip(&[single]).0.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [1, 1]);
    }
}
