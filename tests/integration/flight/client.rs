//! A Flight client that sends what it is told, and shows headers and trailers.

use std::net::SocketAddr;

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::{
    ActionCreatePreparedStatementRequest, Any, CommandPreparedStatementQuery, CommandStatementQuery, ProstMessageExt,
};
use arrow_flight::{Action, FlightData, FlightDescriptor, FlightInfo, IpcMessage, PutResult, Ticket};
use futures::{StreamExt, TryStreamExt, stream};
use prost::Message;
use prost::bytes::Bytes;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::client::PATIENCE;

pub struct Client {
    pub service: FlightServiceClient<Channel>,
    headers: Vec<(&'static str, String)>,
}

/// The answer to CreatePreparedStatement with the field that arrow-flight does not know.
#[derive(Clone, PartialEq, Message)]
pub struct Prepared {
    #[prost(bytes = "bytes", tag = "1")]
    pub handle: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub dataset_schema: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub parameter_schema: Bytes,
    #[prost(bool, optional, tag = "4")]
    pub is_update: Option<bool>,
}

impl Client {
    /// Without credentials and cookies: stateless.
    pub async fn connect(address: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_timeout(PATIENCE).timeout(PATIENCE);
        Self { service: FlightServiceClient::new(endpoint.connect().await.unwrap()), headers: vec![] }
    }

    /// With the token of a handshake.
    pub async fn login(address: SocketAddr, user: &str) -> Self {
        use base64::Engine;
        let mut client = Self::connect(address).await;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:"));
        client.header("authorization", &format!("Basic {basic}"));
        let request = client.request(stream::iter([]));
        let response = client.service.handshake(request).await.unwrap();
        let bearer = response.metadata().get("authorization").expect("a token").to_str().unwrap().to_owned();
        client.headers.clear();
        client.header("authorization", &bearer);
        client
    }

    /// Sends a header with every call from now on.
    pub fn header(&mut self, name: &'static str, value: &str) {
        self.headers.push((name, value.to_owned()));
    }

    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (name, value) in &self.headers {
            request.metadata_mut().append(AsciiMetadataKey::from_static(name), AsciiMetadataValue::try_from(value).unwrap());
        }
        request
    }

    pub async fn info(&mut self, command: impl ProstMessageExt) -> Result<FlightInfo, Status> {
        let request = self.request(descriptor(&command));
        self.service.get_flight_info(request).await.map(|response| response.into_inner())
    }

    pub async fn query(&mut self, sql: &str) -> Result<FlightInfo, Status> {
        self.info(CommandStatementQuery { query: sql.into(), transaction_id: None }).await
    }

    pub async fn schema(&mut self, command: impl ProstMessageExt) -> Schema {
        let request = self.request(descriptor(&command));
        let result = self.service.get_schema(request).await.unwrap().into_inner();
        Schema::try_from(&result).unwrap()
    }

    /// The messages of DoGet, not decoded.
    pub async fn messages(&mut self, ticket: Ticket) -> Result<Vec<FlightData>, Status> {
        let request = self.request(ticket);
        self.service.do_get(request).await?.into_inner().try_collect().await
    }

    pub async fn read(&mut self, info: &FlightInfo) -> Result<(Schema, Vec<RecordBatch>), Status> {
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let messages = self.messages(ticket).await?;
        let mut stream = FlightRecordBatchStream::new_from_flight_data(stream::iter(messages).map(Ok));
        let mut batches = vec![];
        while let Some(batch) = stream.next().await {
            batches.push(batch.unwrap());
        }
        Ok((stream.schema().expect("a schema message").as_ref().clone(), batches))
    }

    /// All rows as text, one line a row.
    pub async fn rows(&mut self, sql: &str) -> Result<Vec<String>, Status> {
        let info = self.query(sql).await?;
        Ok(lines(&self.read(&info).await?.1))
    }

    pub async fn action(&mut self, name: &str, body: Vec<u8>) -> Result<(MetadataMap, Vec<Bytes>), Status> {
        let request = self.request(Action { r#type: name.into(), body: body.into() });
        let response = self.service.do_action(request).await?;
        let metadata = response.metadata().clone();
        let results: Vec<_> = response.into_inner().try_collect().await?;
        Ok((metadata, results.into_iter().map(|result| result.body).collect()))
    }

    pub async fn prepare(&mut self, sql: &str) -> Result<Prepared, Status> {
        let request = ActionCreatePreparedStatementRequest { query: sql.into(), transaction_id: None };
        let (_, results) = self.action("CreatePreparedStatement", request.as_any().encode_to_vec()).await?;
        let any = Any::decode(results[0].as_ref()).unwrap();
        Ok(Prepared::decode(any.value).unwrap())
    }

    pub async fn execute(&mut self, prepared: &Prepared) -> Result<FlightInfo, Status> {
        self.info(CommandPreparedStatementQuery { prepared_statement_handle: prepared.handle.clone() }).await
    }

    /// DoPut of `command` with a batch.
    pub async fn put(&mut self, command: impl ProstMessageExt, batch: RecordBatch) -> Result<Vec<PutResult>, Status> {
        let data: Vec<FlightData> = FlightDataEncoderBuilder::new()
            .with_schema(batch.schema())
            .with_flight_descriptor(Some(descriptor(&command)))
            .with_dictionary_handling(arrow_flight::encode::DictionaryHandling::Resend)
            .build(stream::iter([Ok::<_, FlightError>(batch)]))
            .try_collect()
            .await
            .unwrap();
        let request = self.request(stream::iter(data));
        self.service.do_put(request).await?.into_inner().try_collect().await
    }
}

pub fn descriptor(command: &impl ProstMessageExt) -> FlightDescriptor {
    FlightDescriptor::new_cmd(command.as_any().encode_to_vec())
}

pub fn decode_schema(bytes: &Bytes) -> Schema {
    Schema::try_from(IpcMessage(bytes.clone())).unwrap()
}

pub fn lines(batches: &[RecordBatch]) -> Vec<String> {
    use arrow::util::display::array_value_to_string;
    let row = |batch: &RecordBatch, row: usize| {
        let cells: Vec<String> = batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap()).collect();
        cells.join(" ")
    };
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |index| row(batch, index))).collect()
}

#[track_caller]
pub fn assert_refused<T>(outcome: Result<T, Status>, code: Code, part: &str) {
    match outcome {
        Ok(_) => panic!("{part}: it was not refused"),
        Err(status) => {
            assert_eq!(status.code(), code, "{status:?}");
            assert!(status.message().contains(part), "{}", status.message());
        }
    }
}
