//! Sessions: by cookie, by token, or none.

use std::collections::HashMap;

use prost::Message;
use tonic::Code;

use super::client::{Client, assert_refused};
use crate::data;
use crate::server::Server;

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(sfixed64, optional, tag = "3")]
    number: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Options {
    #[prost(map = "string, message", tag = "1")]
    options: HashMap<String, Value>,
}

#[derive(Clone, PartialEq, Message)]
struct OptionError {
    #[prost(int32, tag = "1")]
    value: i32,
}

#[derive(Clone, PartialEq, Message)]
struct OptionErrors {
    #[prost(map = "string, message", tag = "1")]
    errors: HashMap<String, OptionError>,
}

#[derive(Clone, PartialEq, Message)]
struct Closed {
    #[prost(int32, tag = "1")]
    status: i32,
}

const INVALID_NAME: i32 = 1;
const INVALID_VALUE: i32 = 2;
const CLOSED: i32 = 1;

fn text(value: &str) -> Value {
    Value { text: Some(value.into()), number: None }
}

fn options<const N: usize>(options: [(&str, Value); N]) -> Vec<u8> {
    Options { options: options.map(|(name, value)| (name.to_owned(), value)).into() }.encode_to_vec()
}

#[tokio::test]
async fn a_cookie_keeps_the_session() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::connect(server.flight()).await;
    let body = options([("extra_float_digits", Value { text: None, number: Some(2) }), ("schema", text("public"))]);
    let (metadata, results) = client.action("SetSessionOptions", body).await.unwrap();
    assert_eq!(OptionErrors::decode(results[0].as_ref()).unwrap(), OptionErrors::default());
    let cookie = metadata.get("set-cookie").expect("a cookie").to_str().unwrap().to_owned();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with("arrow_flight_session_id="));
    client.header("cookie", &cookie);
    assert_eq!(client.rows("SHOW extra_float_digits").await.unwrap(), ["2"]);
    // Another connection with the cookie is the same session, one without is not.
    let mut other = Client::connect(server.flight()).await;
    assert_ne!(other.rows("SHOW extra_float_digits").await.unwrap(), ["2"]);
    other.header("cookie", &cookie);
    assert_eq!(other.rows("SHOW extra_float_digits").await.unwrap(), ["2"]);
    let mut stranger = Client::login(server.flight(), "ann").await;
    stranger.header("cookie", &cookie);
    assert_refused(stranger.query("SELECT 1").await, Code::PermissionDenied, "another user");

    let (metadata, results) = client.action("CloseSession", vec![]).await.unwrap();
    assert_eq!(Closed::decode(results[0].as_ref()).unwrap().status, CLOSED);
    assert!(metadata.get("set-cookie").unwrap().to_str().unwrap().contains("Max-Age=0"));
    assert_ne!(client.rows("SHOW extra_float_digits").await.unwrap(), ["2"]);
}

#[tokio::test]
async fn a_token_is_a_session() {
    let server = Server::start(&[data::lake()]);
    let mut ann = Client::login(server.flight(), "ann").await;
    let mut other = Client::login(server.flight(), "ann").await;
    ann.query("SET extra_float_digits = 2").await.unwrap();
    assert_eq!(ann.rows("SHOW extra_float_digits").await.unwrap(), ["2"]);
    assert_ne!(other.rows("SHOW extra_float_digits").await.unwrap(), ["2"]);
    let (_, results) = ann.action("CloseSession", vec![]).await.unwrap();
    assert_eq!(Closed::decode(results[0].as_ref()).unwrap().status, CLOSED);
}

#[tokio::test]
async fn without_either_there_is_nothing_to_change() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::connect(server.flight()).await;
    for sql in ["SET extra_float_digits = 2", "/* x */ BEGIN", "PREPARE p AS SELECT 1", "RESET ALL"] {
        assert_refused(client.query(sql).await, Code::InvalidArgument, "HINT: Connect with a user name");
    }
    let (_, results) = client.action("CloseSession", vec![]).await.unwrap();
    assert_eq!(Closed::decode(results[0].as_ref()).unwrap().status, CLOSED);
    let (_, results) = client.action("GetSessionOptions", vec![]).await.unwrap();
    let current = Options::decode(results[0].as_ref()).unwrap().options;
    assert_eq!((&current["catalog"], &current["schema"]), (&text("arbalest"), &text("public")));
}

#[tokio::test]
async fn options_that_cannot_be_set_are_named() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::login(server.flight(), "ann").await;
    let body = options([
        ("catalog", text("arbalest")),
        ("schema", text("nowhere")),
        ("no_such_option", text("x")),
        ("arbalest.execution_mode", text("elsewhere")),
        ("extra_float_digits", text("2")),
    ]);
    let (_, results) = client.action("SetSessionOptions", body).await.unwrap();
    let errors = OptionErrors::decode(results[0].as_ref()).unwrap().errors;
    let codes: HashMap<&str, i32> = errors.iter().map(|(name, error)| (name.as_str(), error.value)).collect();
    let expected =
        [("schema", INVALID_VALUE), ("no_such_option", INVALID_NAME), ("arbalest.execution_mode", INVALID_VALUE)];
    assert_eq!(codes, expected.into());
    assert_eq!(client.rows("SHOW extra_float_digits").await.unwrap(), ["2"]);
    assert_refused(client.action("SetSessionOptions", b"\xff".to_vec()).await, Code::InvalidArgument, "decoded");
}
