//! Prepared statements: handles, binding in every encoding, many executions.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int8Array, Int16Array, Int64Array, LargeStringArray, NullArray,
    RecordBatchOptions, StringArray, StringViewArray, UInt32Array, UnionArray,
};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, UnionFields};
use arrow::record_batch::RecordBatch;
use arrow_flight::FlightData;
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, CommandPreparedStatementQuery, CommandPreparedStatementUpdate, DoPutPreparedStatementResult,
    DoPutUpdateResult, ProstMessageExt,
};
use futures::stream;
use prost::Message;
use tonic::Code;

use super::client::{Client, Prepared, assert_refused, decode_schema, descriptor, lines};
use crate::data;
use crate::server::Server;

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let named = columns.into_iter().enumerate().map(|(position, column)| (position.to_string(), column, true));
    RecordBatch::try_from_iter_with_nullable(named).unwrap()
}

async fn bind(client: &mut Client, prepared: &Prepared, batch: RecordBatch) -> Result<(), tonic::Status> {
    let command = CommandPreparedStatementQuery { prepared_statement_handle: prepared.handle.clone() };
    let results = client.put(command, batch).await?;
    let result = DoPutPreparedStatementResult::decode(results[0].app_metadata.clone()).unwrap();
    assert_eq!(result.prepared_statement_handle.as_ref(), Some(&prepared.handle), "the handle stays");
    Ok(())
}

async fn execute(client: &mut Client, prepared: &Prepared) -> Result<Vec<String>, tonic::Status> {
    let info = client.execute(prepared).await?;
    let (sent, batches) = client.read(&info).await?;
    assert_eq!(info.try_decode_schema().unwrap(), sent);
    Ok(lines(&batches))
}

#[tokio::test]
async fn values_in_every_encoding() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::connect(server.flight()).await;
    let names: ArrayRef = Arc::new(StringArray::from(vec!["Ada"]));
    let words: DictionaryArray<Int32Type> = vec!["Ada"].into_iter().collect();
    let fields = UnionFields::from_fields(vec![
        Field::new("bool", DataType::Boolean, true),
        Field::new("int", DataType::Int64, true),
        Field::new("str", DataType::Utf8, true),
    ]);
    let union = |type_id: i8| -> ArrayRef {
        let children: Vec<ArrayRef> = vec![
            Arc::new(BooleanArray::from(vec![true])),
            Arc::new(Int64Array::from(vec![1])),
            Arc::new(StringArray::from(vec!["Ada"])),
        ];
        Arc::new(UnionArray::try_new(fields.clone(), ScalarBuffer::from(vec![type_id]), Some(ScalarBuffer::from(vec![0])), children).unwrap())
    };
    let ids: Vec<ArrayRef> = vec![
        Arc::new(Int8Array::from(vec![1])),
        Arc::new(Int16Array::from(vec![1])),
        Arc::new(Int64Array::from(vec![1])),
        Arc::new(UInt32Array::from(vec![1])),
        Arc::new(Float64Array::from(vec![1.0])),
        union(1),
    ];
    let texts: Vec<ArrayRef> = vec![
        names,
        Arc::new(LargeStringArray::from(vec!["Ada"])),
        Arc::new(StringViewArray::from(vec!["Ada"])),
        Arc::new(words),
        union(2),
    ];
    let prepared = client.prepare("SELECT id FROM employees WHERE id = ? AND name = ?").await.unwrap();
    let parameters = decode_schema(&prepared.parameter_schema);
    assert_eq!(parameters.fields().len(), 2);
    assert!(parameters.fields().iter().all(|field| field.is_nullable()));
    for id in &ids {
        for text in &texts {
            bind(&mut client, &prepared, batch(vec![Arc::clone(id), Arc::clone(text)])).await.unwrap();
            assert_eq!(execute(&mut client, &prepared).await.unwrap(), ["1"], "{} {}", id.data_type(), text.data_type());
        }
    }
    let null: ArrayRef = Arc::new(NullArray::new(1));
    bind(&mut client, &prepared, batch(vec![Arc::clone(&ids[0]), null])).await.unwrap();
    assert_eq!(execute(&mut client, &prepared).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn many_parameters_keep_their_order() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::connect(server.flight()).await;
    let list: Vec<String> = (1..=12).map(|number| format!("${number}::int AS c{number}")).collect();
    let prepared = client.prepare(&format!("SELECT {}", list.join(", "))).await.unwrap();
    let columns = (1..=12).map(|number| Arc::new(Int64Array::from(vec![number])) as ArrayRef).collect();
    bind(&mut client, &prepared, batch(columns)).await.unwrap();
    assert_eq!(execute(&mut client, &prepared).await.unwrap(), ["1 2 3 4 5 6 7 8 9 10 11 12"]);
    let repeated = client.prepare("SELECT id FROM employees WHERE id >= $1 AND id <= $1 + $2").await.unwrap();
    assert_eq!(decode_schema(&repeated.parameter_schema).fields().len(), 2);
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![3])), Arc::new(Int64Array::from(vec![1]))];
    bind(&mut client, &repeated, batch(columns)).await.unwrap();
    assert_eq!(execute(&mut client, &repeated).await.unwrap(), ["3", "4"]);
    let named = client.prepare("SELECT $1::text || $2::text AS t").await.unwrap();
    let swapped = RecordBatch::try_from_iter([
        ("$2", Arc::new(StringArray::from(vec!["b"])) as ArrayRef),
        ("$1", Arc::new(StringArray::from(vec!["a"])) as ArrayRef),
    ])
    .unwrap();
    bind(&mut client, &named, swapped).await.unwrap();
    assert_eq!(execute(&mut client, &named).await.unwrap(), ["ab"]);
}

#[tokio::test]
async fn the_type_of_a_value_decides_where_the_statement_does_not() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::connect(server.flight()).await;
    let prepared = client.prepare("SELECT ? AS x").await.unwrap();
    let values: [(ArrayRef, &str); 3] = [
        (Arc::new(Int64Array::from(vec![5])), "5"),
        (Arc::new(StringArray::from(vec!["five"])), "five"),
        (Arc::new(BooleanArray::from(vec![true])), "true"),
    ];
    for (value, expected) in values {
        bind(&mut client, &prepared, batch(vec![value])).await.unwrap();
        assert_eq!(execute(&mut client, &prepared).await.unwrap(), [expected]);
    }
}

#[tokio::test]
async fn several_rows_are_several_executions() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::login(server.flight(), "ann").await;
    let prepared = client.prepare("SELECT name FROM employees WHERE id = ?").await.unwrap();
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 7, 1]));
    bind(&mut client, &prepared, batch(vec![Arc::clone(&ids)])).await.unwrap();
    for _ in 0..2 {
        assert_eq!(execute(&mut client, &prepared).await.unwrap(), ["Ada", "Grace", "Ada"]);
    }
    bind(&mut client, &prepared, batch(vec![Arc::new(Int64Array::from(Vec::<i64>::new()))])).await.unwrap();
    assert_eq!(execute(&mut client, &prepared).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn updates_say_that_they_are() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::login(server.flight(), "ann").await;
    let query = client.prepare("SELECT 1").await.unwrap();
    assert_eq!(query.is_update, Some(false));
    let prepared = client.prepare("SET extra_float_digits = 2").await.unwrap();
    assert_eq!(prepared.is_update, Some(true));
    assert!(decode_schema(&prepared.dataset_schema).fields().is_empty());
    let command = CommandPreparedStatementUpdate { prepared_statement_handle: prepared.handle.clone() };
    let options = RecordBatchOptions::new().with_row_count(Some(0));
    let no_columns = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
    let results = client.put(command.clone(), no_columns).await.unwrap();
    assert_eq!(DoPutUpdateResult::decode(results[0].app_metadata.clone()).unwrap().record_count, 0);
    assert_eq!(client.rows("SHOW extra_float_digits").await.unwrap(), ["2"]);
    // With a descriptor only.
    let request = client.request(stream::iter([FlightData::new().with_descriptor(descriptor(&command))]));
    client.service.do_put(request).await.unwrap().into_inner().message().await.unwrap().expect("an answer");
    // As a query, as flightsql-dbapi does.
    assert_eq!(execute(&mut client, &prepared).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn handles_belong_to_their_user_until_closed() {
    let server = Server::start(&[data::lake()]);
    let mut ann = Client::login(server.flight(), "ann").await;
    let mut bob = Client::login(server.flight(), "bob").await;
    let prepared = ann.prepare("SELECT name FROM employees WHERE id = ?").await.unwrap();
    assert_refused(ann.execute(&prepared).await, Code::InvalidArgument, "none are bound");
    assert_refused(bob.execute(&prepared).await, Code::NotFound, "prepared statement");
    let two: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![1])), Arc::new(Int64Array::from(vec![2]))];
    assert_refused(bind(&mut ann, &prepared, batch(two)).await, Code::InvalidArgument, "has 1 parameters, but 2 were bound");
    let close = ActionClosePreparedStatementRequest { prepared_statement_handle: prepared.handle.clone() };
    bob.action("ClosePreparedStatement", close.as_any().encode_to_vec()).await.unwrap();
    bind(&mut ann, &prepared, batch(vec![Arc::new(Int64Array::from(vec![1]))])).await.unwrap();
    // A ticket outlives the handle it was made with: ADBC closes before it reads.
    let info = ann.execute(&prepared).await.unwrap();
    ann.action("ClosePreparedStatement", close.as_any().encode_to_vec()).await.unwrap();
    assert_eq!(lines(&ann.read(&info).await.unwrap().1), ["Ada"]);
    assert_refused(ann.execute(&prepared).await, Code::NotFound, "prepared statement");
    ann.action("ClosePreparedStatement", close.as_any().encode_to_vec()).await.unwrap();
    assert_refused(ann.action("CreatePreparedStatement", b"\xff".to_vec()).await, Code::InvalidArgument, "");
    assert_refused(ann.prepare("SELECT ?, $1").await, Code::InvalidArgument, "42601");
}
