//! The PostgreSQL protocol, message by message: what drivers never send, and what they see of the order of answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::client::PATIENCE;
use crate::server::Server;

const PROTOCOL_3_0: u32 = 3 << 16;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// Bytes on a socket, and what came back in words.
struct Wire {
    stream: TcpStream,
    input: Vec<u8>,
    cancel_key: Vec<u8>,
}

impl Wire {
    fn open(address: SocketAddr) -> Wire {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Wire { stream, input: vec![], cancel_key: vec![] }
    }

    /// A connection that is ready for queries.
    fn ready(address: SocketAddr) -> Wire {
        let mut wire = Wire::open(address);
        wire.send(&startup(PROTOCOL_3_0, "user\0tester\0database\0arbalest\0\0"));
        let answer = wire.answer();
        assert_eq!(answer.last().map(String::as_str), Some("Z I"), "{answer:?}");
        wire
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The messages up to ReadyForQuery, or to the end of the connection.
    fn answer(&mut self) -> Vec<String> {
        let mut words = vec![];
        loop {
            let Some(word) = self.message() else {
                words.push("closed".to_owned());
                return words;
            };
            let done = word.starts_with("Z ");
            words.push(word);
            if done {
                return words;
            }
        }
    }

    /// One message: its type, and of its body what tests look at. `None` at the end of the connection.
    fn message(&mut self) -> Option<String> {
        loop {
            if let Some(length) = self.input.get(1..5) {
                let length = 1 + u32::from_be_bytes(length.try_into().unwrap()) as usize;
                if self.input.len() >= length {
                    let message: Vec<u8> = self.input.drain(..length).collect();
                    return Some(self.describe(message[0], &message[5..]));
                }
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    fn describe(&mut self, kind: u8, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        let body = match kind {
            b'E' => {
                let field = |name| text.split('\0').find_map(|field| field.strip_prefix(name)).unwrap_or("").to_owned();
                format!("{} {}", field('S'), field('C'))
            }
            b'K' => {
                self.cancel_key = body.to_vec();
                String::new()
            }
            b'D' => {
                let mut values = vec![];
                let mut rest = &body[2..];
                while let Some((length, after)) = rest.split_at_checked(4) {
                    let length = i32::from_be_bytes(length.try_into().unwrap());
                    let (value, after) = after.split_at(usize::try_from(length).unwrap_or(0));
                    values.push(if length < 0 { "NULL".into() } else { String::from_utf8_lossy(value).into_owned() });
                    rest = after;
                }
                values.join(",")
            }
            b't' => {
                let oids = body[2..].chunks(4).map(|oid| u32::from_be_bytes(oid.try_into().unwrap()).to_string());
                oids.collect::<Vec<_>>().join(",")
            }
            b'T' => String::new(),
            b'd' => text.trim_end().to_owned(),
            b'v' => text[8..].trim_end_matches('\0').to_owned(),
            b'S' => text.trim_end_matches('\0').replace('\0', "="),
            b'C' | b'Z' => text.trim_end_matches('\0').to_owned(),
            _ => String::new(),
        };
        format!("{} {body}", char::from(kind)).trim_end().to_owned()
    }
}

fn startup(code: u32, rest: &str) -> Vec<u8> {
    let length = 8 + rest.len() as u32;
    [&length.to_be_bytes(), &code.to_be_bytes(), rest.as_bytes()].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = 4 + body.len() as u32;
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn query(sql: &str) -> Vec<u8> {
    message(b'Q', format!("{sql}\0").as_bytes())
}

fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
}

/// Text parameters, text results.
fn bind(portal: &str, statement: &str, parameters: &[&str]) -> Vec<u8> {
    let mut body = format!("{portal}\0{statement}\0\0\0").into_bytes();
    body.extend((parameters.len() as u16).to_be_bytes());
    for parameter in parameters {
        body.extend((parameter.len() as u32).to_be_bytes());
        body.extend(parameter.as_bytes());
    }
    body.extend(0_u16.to_be_bytes());
    message(b'B', &body)
}

fn execute(portal: &str, rows_max: u32) -> Vec<u8> {
    message(b'E', &[portal.as_bytes(), b"\0", &rows_max.to_be_bytes()].concat())
}

fn describe(target: &str) -> Vec<u8> {
    message(b'D', format!("{target}\0").as_bytes())
}

fn close(target: &str) -> Vec<u8> {
    message(b'C', format!("{target}\0").as_bytes())
}

fn sync() -> Vec<u8> {
    message(b'S', b"")
}

fn start() -> Server {
    Server::start::<&str>(&[])
}

#[test]
fn start_up_is_negotiated() {
    let server = start();
    let mut wire = Wire::open(server.postgres());
    for request in [SSL_REQUEST, GSS_REQUEST] {
        wire.send(&startup(request, ""));
        let mut byte = [0];
        wire.stream.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"N");
    }
    wire.send(&startup(PROTOCOL_3_0 + 9_999, "user\0tester\0_pq_.new\0on\0options\0-c TimeZone=Asia/Tokyo\0\0"));
    let answer = wire.answer();
    assert_eq!(answer[..2], ["v _pq_.new", "R"]);
    let reported: Vec<&str> = answer.iter().filter_map(|word| word.strip_prefix("S ")).collect();
    let names: Vec<&str> = reported.iter().map(|setting| setting.split('=').next().unwrap()).collect();
    let expected = [
        "application_name", "client_encoding", "DateStyle", "default_transaction_read_only", "in_hot_standby",
        "integer_datetimes", "IntervalStyle", "is_superuser", "server_encoding", "server_version",
        "session_authorization", "standard_conforming_strings", "TimeZone",
    ];
    assert_eq!(names, expected);
    for setting in ["client_encoding=UTF8", "TimeZone=Asia/Tokyo", "session_authorization=tester", "DateStyle=ISO, MDY"] {
        assert!(reported.contains(&setting), "{setting} is not in {reported:?}");
    }
}

#[test]
fn start_up_that_cannot_be_is_refused() {
    let server = start();
    let cases: [(&[u8], &str); 10] = [
        (b"GET / HTTP/1.1\r\n\r\n", "08P01"),
        (b"\0\0\0\0", "08P01"),
        (b"\x7f\xff\xff\xff", "08P01"),
        (&startup(PROTOCOL_3_0, "user"), "08P01"),
        (&startup(2 << 16, "\0"), "0A000"),
        (&startup(PROTOCOL_3_0, "\0"), "28000"),
        (&startup(PROTOCOL_3_0, "user\0tester\0database\0nowhere\0\0"), "3D000"),
        (&startup(PROTOCOL_3_0, "user\0tester\0options\0-c nothing=1\0\0"), "42704"),
        (&startup(PROTOCOL_3_0, "user\0tester\0extra_float_digits\0many\0\0"), "22023"),
        (&startup(PROTOCOL_3_0, "user\0tester\0replication\0true\0\0"), "0A000"),
    ];
    for (bytes, code) in cases {
        let mut wire = Wire::open(server.postgres());
        wire.send(bytes);
        assert_eq!(wire.answer(), [format!("E FATAL {code}"), "closed".into()], "{}", String::from_utf8_lossy(bytes));
    }
    // A cancel request is not answered, whether its key is right or not.
    let mut wire = Wire::open(server.postgres());
    wire.send(&startup(CANCEL_REQUEST, "\0\0\0\x01\0\0\0\x02"));
    assert_eq!(wire.answer(), ["closed"]);
}

#[test]
fn bytes_that_cannot_be_followed_end_only_their_connection() {
    let server = start();
    let mut other = Wire::ready(server.postgres());
    let cases: [&[u8]; 6] =
        [b"z\0\0\0\x04", b"Q\0\0\0\x03", b"Q\xff\xff\xff\xff", b"Q\x7f\0\0\0", b"S\0\0\xff\xff", b"p\0\0\0\x05\0"];
    for bytes in cases {
        let mut wire = Wire::ready(server.postgres());
        wire.send(bytes);
        assert_eq!(wire.answer(), ["E FATAL 08P01", "closed"], "{bytes:?}");
        other.send(&query("select 1"));
        assert_eq!(other.answer(), ["T", "D 1", "C SELECT 1", "Z I"]);
    }
}

#[test]
fn messages_that_lie_are_errors() {
    let server = start();
    let cases: [(&[u8], &[&str]); 9] = [
        (&message(b'Q', b"select 1"), &["E ERROR 08P01", "Z I"]),
        (&message(b'Q', b"select '\xff'\0"), &["E ERROR 22021", "Z I"]),
        (&message(b'F', &[0; 10]), &["E ERROR 0A000", "Z I"]),
        (&[message(b'P', b"\0select 1\0\xff\xff"), sync()].concat(), &["E ERROR 08P01", "Z I"]),
        (&[message(b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff"), sync()].concat(), &["E ERROR 08P01", "Z I"]),
        (&[message(b'D', b"x\0"), sync()].concat(), &["E ERROR 08P01", "Z I"]),
        (&[describe("Snothing"), sync()].concat(), &["E ERROR 26000", "Z I"]),
        (&[execute("nothing", 0), sync()].concat(), &["E ERROR 34000", "Z I"]),
        // What is left of a COPY FROM that was refused.
        (&[message(b'd', b"1\n"), message(b'c', b""), query("select 1")].concat(), &["T", "D 1", "C SELECT 1", "Z I"]),
    ];
    let mut wire = Wire::ready(server.postgres());
    for (bytes, expected) in cases {
        wire.send(bytes);
        assert_eq!(wire.answer(), expected, "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_text_of_statements_stops_at_the_first_error() {
    let server = start();
    let mut wire = Wire::ready(server.postgres());
    let mut check = |sql: &str, expected: &[&str]| {
        wire.send(&query(sql));
        assert_eq!(wire.answer(), expected, "{sql}");
    };
    check("select 1; select 1/0; select 2", &["T", "D 1", "C SELECT 1", "T", "E ERROR 22012", "Z I"]);
    check("select 1; selec 2", &["E ERROR 42601", "Z I"]);
    check("", &["I", "Z I"]);
    check(" ; -- nothing", &["I", "Z I"]);
    check("begin; select 1", &["C BEGIN", "T", "D 1", "C SELECT 1", "Z T"]);
    check("select nothing", &["E ERROR 42703", "Z E"]);
    check("select 1", &["E ERROR 25P02", "Z E"]);
    check("commit", &["C ROLLBACK", "Z I"]);
    check("set TimeZone to 'Asia/Tokyo'", &["C SET", "S TimeZone=Asia/Tokyo", "Z I"]);
    check("copy (select 1, null) to stdout", &["H", "d 1\t\\N", "c", "C COPY 1", "Z I"]);
    check("copy (select 1 where false) to stdout", &["H", "c", "C COPY 0", "Z I"]);
}

#[test]
fn the_extended_protocol_answers_in_order() {
    let server = start();
    let mut wire = Wire::ready(server.postgres());
    let mut check = |messages: &[Vec<u8>], expected: &[&str]| {
        wire.send(&messages.concat());
        assert_eq!(wire.answer(), expected, "{}", String::from_utf8_lossy(&messages.concat()));
    };
    check(
        &[parse("", "select $1::int + 1"), describe("S"), bind("", "", &["41"]), describe("P"), execute("", 0), sync()],
        &["1", "t 23", "T", "2", "T", "D 42", "C SELECT 1", "Z I"],
    );
    check(&[parse("", ""), bind("", "", &[]), describe("P"), execute("", 0), sync()], &["1", "2", "n", "I", "Z I"]);
    check(&[parse("", "select 1; select 2"), sync()], &["E ERROR 42601", "Z I"]);
    // After an error everything up to Sync is discarded.
    check(&[parse("", "select nothing"), bind("", "", &[]), query("select 1"), sync()], &["E ERROR 42703", "Z I"]);
    check(&[parse("s", "select 1"), parse("s", "select 1"), sync()], &["1", "E ERROR 42P05", "Z I"]);
    check(&[bind("p", "s", &[]), bind("p", "s", &[]), sync()], &["2", "E ERROR 42P03", "Z I"]);
    check(&[bind("", "s", &["1"]), sync()], &["E ERROR 08P01", "Z I"]);
    check(&[close("Ss"), close("Ss"), close("Pp"), bind("", "s", &[]), sync()], &["3", "3", "3", "E ERROR 26000", "Z I"]);
    check(&[parse("", "select $1::int"), bind("", "", &["x"]), sync()], &["1", "E ERROR 22P02", "Z I"]);
    check(
        &[parse("", "copy (select 7) to stdout"), bind("", "", &[]), describe("P"), execute("", 1), sync()],
        &["1", "2", "n", "H", "d 7", "c", "C COPY 1", "Z I"],
    );
    // A simple query ends the unnamed statement.
    check(&[parse("", "select 1"), sync()], &["1", "Z I"]);
    check(&[query("select 2")], &["T", "D 2", "C SELECT 1", "Z I"]);
    check(&[bind("", "", &[]), sync()], &["E ERROR 26000", "Z I"]);
    // SQL and protocol share the names of statements.
    check(&[query("prepare named as select $1::int")], &["C PREPARE", "Z I"]);
    check(&[describe("Snamed"), bind("", "named", &["3"]), execute("", 0), sync()], &["t 23", "T", "2", "D 3", "C SELECT 1", "Z I"]);
    check(&[query("deallocate named")], &["C DEALLOCATE", "Z I"]);
    check(&[describe("Snamed"), sync()], &["E ERROR 26000", "Z I"]);
}

#[test]
fn a_portal_is_read_in_slices() {
    let server = start();
    let mut wire = Wire::ready(server.postgres());
    let mut check = |messages: &[Vec<u8>], expected: &[&str]| {
        wire.send(&messages.concat());
        assert_eq!(wire.answer(), expected, "{}", String::from_utf8_lossy(&messages.concat()));
    };
    let rows = "select * from (values (1), (2), (3)) t(x) order by x";
    check(
        &[parse("rows", rows), bind("", "rows", &[]), execute("", 2), execute("", 1), execute("", 1), execute("", 0), sync()],
        // Three rows were asked for and three came: only the next Execute finds out that there are no more.
        &["1", "2", "D 1", "D 2", "s", "D 3", "s", "C SELECT 0", "C SELECT 0", "Z I"],
    );
    check(&[bind("p", "rows", &[]), execute("p", 1), sync()], &["2", "D 1", "s", "Z I"]);
    // Outside a block a portal ends with Sync.
    check(&[execute("p", 1), sync()], &["E ERROR 34000", "Z I"]);
    check(&[query("begin")], &["C BEGIN", "Z T"]);
    check(&[bind("a", "rows", &[]), bind("b", "rows", &[]), execute("a", 1), execute("b", 2), sync()], &["2", "2", "D 1", "s", "D 1", "D 2", "s", "Z T"]);
    check(&[execute("a", 0), execute("b", 0), sync()], &["D 2", "D 3", "C SELECT 2", "D 3", "C SELECT 1", "Z T"]);
    check(&[query("commit")], &["C COMMIT", "Z I"]);
    check(&[execute("a", 0), sync()], &["E ERROR 34000", "Z I"]);
    check(
        &[parse("", "set application_name = 'x'"), bind("", "", &[]), execute("", 0), execute("", 0), sync()],
        &["1", "2", "C SET", "E ERROR 55000", "Z I"],
    );
}

#[test]
fn a_client_that_does_not_read_can_be_cancelled() {
    let server = Server::start(&["--sample", "tpch=0.01"]);
    let mut wire = Wire::ready(server.postgres());
    wire.send(&query("select a.* from lineitem a, lineitem b"));
    // The buffers of both sides fill up, and the server waits.
    std::thread::sleep(Duration::from_secs(1));
    let mut cancel = Wire::open(server.postgres());
    cancel.send(&[&16_u32.to_be_bytes(), &CANCEL_REQUEST.to_be_bytes(), &wire.cancel_key[..]].concat());
    assert_eq!(cancel.answer(), ["closed"]);
    let start = Instant::now();
    let answer = wire.answer();
    assert_eq!(answer[answer.len() - 2..], ["E ERROR 57014", "Z I"]);
    assert!(start.elapsed() < Duration::from_secs(10), "the rows did not end");
    wire.send(&query("select 1"));
    assert_eq!(wire.answer(), ["T", "D 1", "C SELECT 1", "Z I"]);
}
