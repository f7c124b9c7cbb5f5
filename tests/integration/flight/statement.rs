//! Statements, tickets, schemas, errors, cancel and drain.

use std::time::{Duration, Instant};

use arrow_flight::sql::{
    Any, CommandStatementIngest, CommandStatementQuery, CommandStatementSubstraitPlan, CommandStatementUpdate, DoPutUpdateResult,
    ProstMessageExt, TicketStatementQuery,
};
use arrow_flight::{
    CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, Criteria, Empty, FlightData, FlightDescriptor, FlightEndpoint,
    PollInfo, RenewFlightEndpointRequest, Ticket,
};
use futures::{StreamExt, TryStreamExt, stream};
use prost::Message;
use tonic::{Code, Request};

use super::client::{Client, assert_refused, descriptor, lines};
use crate::client::PATIENCE;
use crate::data;
use crate::server::Server;

/// Rows enough that they do not fit into any buffer on the way.
const LARGE: &str = "SELECT a.* FROM lineitem a, lineitem b";

fn statement(sql: &str) -> CommandStatementQuery {
    CommandStatementQuery { query: sql.into(), transaction_id: None }
}

#[tokio::test]
async fn one_schema_everywhere() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::connect(server.flight()).await;
    for sql in [
        "SELECT * FROM types",
        "SELECT e.id, d.title FROM employees e LEFT JOIN departments d ON d.code = e.department",
        "SELECT 1 AS one UNION ALL SELECT NULL",
        "SELECT department, count(*), sum(salary), avg(rating), min(hired) FROM employees GROUP BY department",
        "SELECT 'x' AS a, 1.5 AS b, NULL AS c, true AS d, date '2024-01-01' AS e, interval '1 day' AS f",
        "SELECT id FROM employees WHERE false",
        "SELECT arrow_cast('x', 'Dictionary(Int32, Utf8)') AS d, arrow_cast('x', 'Utf8View') AS v, \
         arrow_cast('x', 'LargeUtf8') AS l, arrow_cast(1, 'UInt64') AS u, arrow_cast(1.5, 'Float16') AS h, \
         arrow_cast(make_array('a'), 'LargeList(Utf8View)') AS ll",
        "SHOW arbalest.execution_mode",
        "EXPLAIN SELECT 1",
    ] {
        let info = client.query(sql).await.unwrap();
        assert_eq!((info.total_records, info.total_bytes, info.endpoint.len()), (-1, -1, 1), "{sql}");
        assert!(info.endpoint[0].location.is_empty());
        let (sent, _) = client.read(&info).await.unwrap();
        assert_eq!(info.try_decode_schema().unwrap(), sent, "{sql}");
        assert_eq!(client.schema(statement(sql)).await, sent, "{sql}");
        let prepared = client.prepare(sql).await.unwrap();
        assert_eq!(super::client::decode_schema(&prepared.dataset_schema), sent, "{sql}");
        assert!(sent.fields().iter().all(|field| field.is_nullable()), "{sql}");
    }
}

#[tokio::test]
async fn a_ticket_can_be_read_again_and_belongs_to_its_user() {
    let server = Server::start(&[data::lake()]);
    let mut ann = Client::login(server.flight(), "ann").await;
    let mut bob = Client::login(server.flight(), "bob").await;
    let info = ann.query("SELECT count(*) FROM employees").await.unwrap();
    for _ in 0..2 {
        assert_eq!(lines(&ann.read(&info).await.unwrap().1), ["12"]);
    }
    assert_refused(bob.read(&info).await, Code::NotFound, "unknown");
    let forged = TicketStatementQuery { statement_handle: vec![7u8; 16].into() }.as_any().encode_to_vec();
    assert_refused(ann.messages(Ticket { ticket: forged.into() }).await, Code::NotFound, "unknown");
    for garbage in [&b""[..], b"\x00", &[0x30; 100], b"{\"query\": \"SELECT 1\"}"] {
        let outcome = ann.messages(Ticket { ticket: garbage.to_vec().into() }).await;
        assert!([Code::InvalidArgument, Code::Unimplemented].contains(&outcome.expect_err("refused").code()));
    }
}

#[tokio::test]
async fn a_statement_without_result_runs_once_and_at_once() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::login(server.flight(), "ann").await;
    let info = client.query("SET extra_float_digits = 2").await.unwrap();
    assert!(info.clone().try_decode_schema().unwrap().fields().is_empty());
    assert_eq!(client.rows("SHOW extra_float_digits").await.unwrap(), ["2"]);
    client.query("SET extra_float_digits = 0").await.unwrap();
    for _ in 0..2 {
        let (schema, batches) = client.read(&info).await.unwrap();
        assert!(schema.fields().is_empty() && batches.iter().all(|batch| batch.num_rows() == 0));
    }
    assert_eq!(client.rows("SHOW extra_float_digits").await.unwrap(), ["0"]);
    // What only asks for a schema changes nothing.
    client.schema(statement("SET extra_float_digits = 3")).await;
    client.prepare("SET extra_float_digits = 3").await.unwrap();
    assert_eq!(client.rows("SHOW extra_float_digits").await.unwrap(), ["0"]);
}

#[tokio::test]
async fn updates_need_no_schema_and_no_half_close() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::login(server.flight(), "ann").await;
    let command = CommandStatementUpdate { query: "SET extra_float_digits = 1; SET extra_float_digits = 2".into(), transaction_id: None };
    let first = FlightData::new().with_descriptor(descriptor(&command));
    // The client's side stays open while it waits for the answer.
    let request = client.request(stream::iter([first]).chain(stream::pending()));
    let answer = client.service.do_put(request).await.unwrap().into_inner().message().await.unwrap().expect("an answer");
    assert_eq!(DoPutUpdateResult::decode(answer.app_metadata).unwrap().record_count, 0);
    assert_eq!(client.rows("SHOW extra_float_digits").await.unwrap(), ["2"]);
}

#[tokio::test]
async fn errors_say_what_is_known() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::connect(server.flight()).await;
    assert_refused(client.query("SELEC 1").await, Code::InvalidArgument, "(SQLSTATE 42601) at character 1");
    assert_refused(client.query("SELECT salry FROM employees").await, Code::InvalidArgument, "salary");
    assert_refused(client.query("SELECT * FROM nowhere").await, Code::NotFound, "\"nowhere\" does not exist (SQLSTATE 42P01)");
    assert_refused(client.query("SELECT 1; SELECT 2").await, Code::InvalidArgument, "several statements");
    assert_refused(client.query(" -- nothing").await, Code::InvalidArgument, "no statement");
    assert_refused(client.query("SELECT $1").await, Code::InvalidArgument, "has 1 parameters");
    assert_refused(client.query("COPY (SELECT 1) TO STDOUT").await, Code::Unimplemented, "COPY");
    let status = client.rows("SELECT id / (id - 3) FROM employees").await.expect_err("division by zero");
    assert_eq!(status.metadata().get("x-arbalest-sqlstate").map(|value| value.as_bytes()), Some(&b"22012"[..]));
    let long = client.query(&format!("SELECT \"{}\"", "é".repeat(20_000))).await.expect_err("no such column");
    assert!(long.message().len() <= 2_000 && long.message().contains('é'));
    assert_eq!(client.rows("SELECT 1").await.unwrap(), ["1"]);
}

#[tokio::test]
async fn what_is_not_supported_says_so() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::connect(server.flight()).await;
    let in_transaction = CommandStatementQuery { query: "SELECT 1".into(), transaction_id: Some(vec![1u8].into()) };
    assert_refused(client.info(in_transaction).await, Code::InvalidArgument, "transaction_id");
    let no_transaction = CommandStatementQuery { query: "SELECT 1".into(), transaction_id: Some(Default::default()) };
    client.info(no_transaction).await.unwrap();
    for action in ["BeginTransaction", "EndTransaction", "BeginSavepoint", "EndSavepoint", "CreatePreparedSubstraitPlan", "Nonsense"] {
        assert_refused(client.action(action, vec![]).await, Code::Unimplemented, "");
    }
    assert_refused(client.info(CommandStatementSubstraitPlan::default()).await, Code::Unimplemented, "Substrait");
    let ingest = CommandStatementIngest { table: "t".into(), ..Default::default() };
    let batch = arrow::record_batch::RecordBatch::new_empty(std::sync::Arc::new(arrow::datatypes::Schema::empty()));
    assert_refused(client.put(ingest, batch).await, Code::Unimplemented, "\"t\"");
    for (descriptor, code) in [
        (FlightDescriptor::new_path(vec!["employees".into()]), Code::InvalidArgument),
        (FlightDescriptor::new_cmd(&b"\xff\xff"[..]), Code::InvalidArgument),
        (FlightDescriptor::new_cmd(&b""[..]), Code::InvalidArgument),
        (FlightDescriptor::new_cmd(Any { type_url: "type.googleapis.com/x.Y".into(), value: Default::default() }.encode_to_vec()), Code::Unimplemented),
    ] {
        assert_eq!(client.service.get_flight_info(descriptor).await.expect_err("refused").code(), code);
    }
    let exchange = client.service.do_exchange(stream::iter([FlightData::new()])).await;
    assert_eq!(exchange.expect_err("refused").code(), Code::Unimplemented);
    let flights: Vec<_> =
        client.service.list_flights(Criteria::default()).await.unwrap().into_inner().try_collect().await.unwrap();
    assert!(flights.is_empty());
    let actions: Vec<_> = client.service.list_actions(Empty {}).await.unwrap().into_inner().try_collect().await.unwrap();
    assert!(actions.iter().any(|action| action.r#type == "CancelFlightInfo"));
    assert!(actions.iter().all(|action| action.r#type != "BeginTransaction"));
}

#[tokio::test]
async fn polling_is_complete_at_once() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::connect(server.flight()).await;
    let request = descriptor(&statement("SELECT count(*) FROM employees"));
    let PollInfo { info, flight_descriptor, .. } = client.service.poll_flight_info(request).await.unwrap().into_inner();
    assert!(flight_descriptor.is_none());
    assert_eq!(lines(&client.read(&info.expect("always there")).await.unwrap().1), ["12"]);
}

#[tokio::test]
async fn messages_are_bounded_whatever_the_rows_are() {
    let server = Server::start(&["--sample", "tpch=0.01"]);
    let mut client = Client::connect(server.flight()).await;
    for sql in [
        "SELECT * FROM lineitem",
        "SELECT * FROM lineitem LIMIT 10 OFFSET 4000",
        "SELECT repeat('x', 1000000) AS x, l_orderkey FROM lineitem LIMIT 20",
        "SELECT repeat('x', 6000000) AS x FROM lineitem LIMIT 2",
    ] {
        let info = client.query(sql).await.unwrap();
        let request = client.request(info.endpoint[0].ticket.clone().unwrap());
        client.service = client.service.clone().max_decoding_message_size(16 << 20);
        let messages: Vec<FlightData> = client.service.do_get(request).await.unwrap().into_inner().try_collect().await.unwrap();
        for message in &messages {
            let bytes = message.data_body.len();
            assert!(bytes <= (7 << 19) || sql.contains("6000000"), "{sql}: a message of {bytes} bytes");
            assert!(bytes < 100_000 || !sql.contains("LIMIT 10 "), "{sql}: {bytes} bytes for ten rows");
        }
    }
}

/// Every thread that computes is busy, and none of them has a row to give.
#[tokio::test(flavor = "multi_thread")]
async fn what_computes_without_a_row_is_cancelled() {
    const LONG: &str = "SELECT count(*) FROM lineitem a, lineitem b WHERE a.l_comment || b.l_comment LIKE '%zzqzz%'";
    let server = Server::start(&["--sample", "tpch=0.01"]);
    let mut client = Client::login(server.flight(), "tester").await;
    client.rows("SET arbalest.execution_mode = 'local'").await.unwrap();
    for is_cancelled in [true, false] {
        let info = client.query(LONG).await.unwrap();
        let request = client.request(info.endpoint[0].ticket.clone().unwrap());
        let mut stream = client.service.do_get(request).await.unwrap().into_inner();
        stream.message().await.unwrap().expect("a schema");
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Others are answered meanwhile.
        let mut other = Client::connect(server.flight()).await;
        assert_eq!(other.rows("SELECT 1 AS one").await.unwrap().len(), 1);
        if is_cancelled {
            let cancel = CancelFlightInfoRequest { info: Some(info) }.encode_to_vec();
            client.action("CancelFlightInfo", cancel).await.unwrap();
            let ended = tokio::time::timeout(PATIENCE, stream.message()).await.expect("it ends");
            assert_eq!(ended.expect_err("cancelled").code(), Code::Cancelled);
        }
        drop(stream);
        idle(&server).await;
    }
}

#[tokio::test]
async fn cancel_ends_the_stream_and_the_ticket() {
    let server = Server::start(&["--sample", "tpch=0.01"]);
    let mut client = Client::connect(server.flight()).await;
    let info = client.query(LARGE).await.unwrap();
    let request = client.request(info.endpoint[0].ticket.clone().unwrap());
    let mut stream = client.service.do_get(request).await.unwrap().into_inner();
    stream.message().await.unwrap().expect("a schema");
    stream.message().await.unwrap().expect("rows");
    let cancel = CancelFlightInfoRequest { info: Some(info.clone()) }.encode_to_vec();
    let (_, results) = client.action("CancelFlightInfo", cancel.clone()).await.unwrap();
    let result = CancelFlightInfoResult::decode(results[0].as_ref()).unwrap();
    assert_eq!(result.status, CancelStatus::Cancelled as i32);
    let status = loop {
        match tokio::time::timeout(PATIENCE, stream.message()).await.expect("it ends") {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a cancelled result looks complete"),
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), status.message().contains("57014")), (Code::Cancelled, true));
    assert_refused(client.read(&info).await, Code::NotFound, "cancelled");
    assert_refused(client.action("CancelFlightInfo", cancel).await, Code::NotFound, "");
    idle(&server).await;
}

#[tokio::test]
async fn a_reader_that_leaves_ends_its_statement() {
    let server = Server::start(&["--sample", "tpch=0.01"]);
    let mut client = Client::connect(server.flight()).await;
    let info = client.query(LARGE).await.unwrap();
    let request = client.request(info.endpoint[0].ticket.clone().unwrap());
    let mut stream = client.service.do_get(request).await.unwrap().into_inner();
    stream.message().await.unwrap().expect("a schema");
    drop(stream);
    idle(&server).await;
    assert_eq!(client.rows("SELECT 1").await.unwrap(), ["1"]);
}

#[tokio::test]
async fn a_ticket_can_be_renewed() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::connect(server.flight()).await;
    let info = client.query("SELECT 1").await.unwrap();
    let endpoint = info.endpoint[0].clone();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let request = RenewFlightEndpointRequest { endpoint: Some(endpoint.clone()) }.encode_to_vec();
    let (_, results) = client.action("RenewFlightEndpoint", request).await.unwrap();
    let renewed = FlightEndpoint::decode(results[0].as_ref()).unwrap();
    assert_eq!(renewed.ticket, endpoint.ticket);
    assert!(renewed.expiration_time.unwrap().seconds > endpoint.expiration_time.unwrap().seconds);
}

#[tokio::test]
async fn a_drain_finishes_streams_and_refuses_calls() {
    let mut server = Server::start(&["--sample", "tpch=0.01"]);
    let mut client = Client::connect(server.flight()).await;
    let sql = "SELECT a.* FROM lineitem a, (SELECT * FROM lineitem LIMIT 20) b";
    let expected: usize = client.rows("SELECT count(*) * 20 FROM lineitem").await.unwrap()[0].parse().unwrap();
    let info = client.query(sql).await.unwrap();
    let request = client.request(info.endpoint[0].ticket.clone().unwrap());
    let mut stream = client.service.do_get(request).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().expect("a schema");
    server.terminate();
    tokio::time::sleep(Duration::from_millis(300)).await;
    // The server's answer, or the client's own after the server said that it goes away.
    let refused = client.query("SELECT 1").await.expect_err("refused").code();
    assert!([Code::Unavailable, Code::Cancelled].contains(&refused), "{refused}");
    let messages = stream::iter([Ok(first)]).chain(stream).map_err(arrow_flight::error::FlightError::from);
    let batches: Vec<_> =
        arrow_flight::decode::FlightRecordBatchStream::new_from_flight_data(messages).try_collect().await.unwrap();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), expected);
    assert_eq!(server.wait(Duration::from_secs(20)).and_then(|status| status.code()), Some(0));
}

#[tokio::test]
async fn the_handshake_takes_what_clients_send() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::connect(server.flight()).await;
    for authorization in ["Basic YW5uOnA6cQ==", "Basic YW5uOnA6cQ"] {
        let mut request = Request::new(stream::iter([]));
        request.metadata_mut().insert("authorization", authorization.parse().unwrap());
        let response = client.service.handshake(request).await.unwrap();
        let bearer = response.metadata().get("authorization").expect("a token").to_str().unwrap().to_owned();
        let payload = response.into_inner().message().await.unwrap().expect("a payload").payload;
        assert_eq!(bearer.strip_prefix("Bearer "), std::str::from_utf8(&payload).ok());
        let mut session = Client::connect(server.flight()).await;
        // ADBC sends it twice.
        session.header("authorization", &bearer);
        session.header("authorization", &bearer);
        session.query("SET extra_float_digits = 2").await.unwrap();
        assert_eq!(session.rows("SHOW extra_float_digits").await.unwrap(), ["2"]);
    }
    client.header("authorization", "Bearer None");
    assert_eq!(client.rows("SELECT 1").await.unwrap(), ["1"]);
}

/// Within five seconds the server does nothing any more.
async fn idle(server: &Server) {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let before = server.processor_time();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let used = server.processor_time() - before;
        if used < Duration::from_millis(60) {
            return;
        }
        assert!(Instant::now() < deadline, "the server still works: {used:?} in half a second");
    }
}
