//! Roles over every protocol: who may connect, and who may do what with which object. Every cell of the matrix of roles,
//! objects, actions and protocols is tried, and compared with what PostgreSQL's rules say.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use arrow_flight::sql::client::FlightSqlServiceClient;
use tempfile::TempDir;
use tokio_postgres::Client;
use tonic::transport::{Channel, Endpoint};

use crate::client::{column, connect, connect_as, describe, sql_state, try_connect_as, value};
use crate::data;
use crate::server::Server;
use crate::slt::postgresql15::Cluster;

/// Roles by what they were granted on each relation. Those that are not here are special.
const GRANTED: [(&str, &str); 7] = [
    ("nothing", ""),
    ("selects", "SELECT"),
    ("inserts", "INSERT"),
    ("updates", "UPDATE"),
    ("deletes", "DELETE"),
    ("truncates", "TRUNCATE"),
    ("all", "SELECT, INSERT, UPDATE, DELETE, TRUNCATE"),
];

/// What an action takes.
#[derive(Clone, Copy)]
enum Needs {
    Privileges(&'static [&'static str]),
    /// Of a column, which the role `column` has of `a`.
    SelectOf(&'static str),
    Ownership,
}

const fn privileges(names: &'static [&'static str]) -> Needs {
    Needs::Privileges(names)
}

/// Actions on relations that can be read; `{}` is one.
const READS: [(&str, Needs); 12] = [
    ("SELECT * FROM {}", privileges(&["SELECT"])),
    ("SELECT a FROM {}", Needs::SelectOf("a")),
    ("SELECT b FROM {}", Needs::SelectOf("b")),
    ("SELECT count(*) FROM {}", Needs::SelectOf("a")),
    ("SELECT a FROM {} WHERE b > 0", privileges(&["SELECT"])),
    ("SELECT 1 WHERE EXISTS (SELECT 1 FROM {} WHERE a = 1)", Needs::SelectOf("a")),
    ("SELECT x.a FROM (SELECT a, b FROM {}) AS x", privileges(&["SELECT"])),
    ("WITH x AS (SELECT a FROM {}) SELECT * FROM x", Needs::SelectOf("a")),
    ("SELECT a FROM {} UNION SELECT b FROM {}", privileges(&["SELECT"])),
    ("EXPLAIN SELECT b FROM {}", privileges(&["SELECT"])),
    ("EXPLAIN ANALYZE SELECT b FROM {}", privileges(&["SELECT"])),
    ("CREATE TEMP TABLE copied AS SELECT * FROM {}", privileges(&["SELECT"])),
];

/// The same for tables that can be written.
const WRITES: [(&str, Needs); 15] = [
    ("INSERT INTO {} VALUES (1, 2)", privileges(&["INSERT"])),
    ("INSERT INTO {} SELECT 1, 2", privileges(&["INSERT"])),
    ("INSERT INTO {} SELECT * FROM {}", privileges(&["INSERT", "SELECT"])),
    ("INSERT INTO {} VALUES (1, 2) RETURNING b", privileges(&["INSERT", "SELECT"])),
    ("UPDATE {} SET b = 3", privileges(&["UPDATE"])),
    ("UPDATE {} SET b = 3 WHERE b = 2", privileges(&["UPDATE", "SELECT"])),
    ("UPDATE {} SET b = b + 1", privileges(&["UPDATE", "SELECT"])),
    ("DELETE FROM {}", privileges(&["DELETE"])),
    ("DELETE FROM {} WHERE b = 2", privileges(&["DELETE", "SELECT"])),
    ("TRUNCATE {}", privileges(&["TRUNCATE"])),
    (
        "MERGE INTO {} t USING (VALUES (1, 2)) AS s (a, b) ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = s.b",
        privileges(&["UPDATE", "SELECT"]),
    ),
    (
        "MERGE INTO {} t USING (VALUES (1, 2)) AS s (a, b) ON t.a = s.a WHEN NOT MATCHED THEN INSERT VALUES (s.a, s.b)",
        privileges(&["INSERT", "SELECT"]),
    ),
    (
        "MERGE INTO {} t USING (VALUES (1, 2)) AS s (a, b) ON t.a = s.a WHEN MATCHED THEN DELETE",
        privileges(&["DELETE", "SELECT"]),
    ),
    ("ALTER TABLE {} RENAME TO renamed", Needs::Ownership),
    ("COMMENT ON TABLE {} IS 'seen'", Needs::Ownership),
];

/// What makes an object go.
const DROPS: [(&str, &str); 3] = [("m.t", "DROP TABLE {} CASCADE"), ("m.v", "DROP VIEW {}"), ("m.mv", "DROP MATERIALIZED VIEW {}")];

/// Whether a role may, by the rules. `column` may read the column a only; `member` is one of the owner's.
fn may(role: &str, needs: Needs) -> bool {
    if ["owner", "member", "root"].contains(&role) {
        return true;
    }
    let granted: BTreeSet<&str> = GRANTED.iter().filter(|(name, _)| *name == role).flat_map(|(_, all)| all.split(", ")).collect();
    match needs {
        Needs::Privileges(needed) => needed.iter().all(|privilege| granted.contains(privilege)),
        Needs::SelectOf(column) => granted.contains("SELECT") || (role == "column" && column == "a"),
        Needs::Ownership => false,
    }
}

fn roles() -> Vec<&'static str> {
    GRANTED.iter().map(|(name, _)| *name).chain(["column", "owner", "member", "root", "stranger"]).collect()
}

/// Makes the objects and the roles. `ours`: also what PostgreSQL does not have.
async fn prepare(admin: &Client, served: Option<&str>) {
    let run = async |sql: &str| admin.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {}", describe(&error)));
    let mut relations = vec!["m.t", "m.v", "m.mv"];
    run("CREATE ROLE owner LOGIN; CREATE SCHEMA m; GRANT USAGE, CREATE ON SCHEMA m TO owner;
         SET ROLE owner; CREATE TABLE m.t (a int, b int); RESET ROLE; INSERT INTO m.t VALUES (1, 2); SET ROLE owner;
         CREATE VIEW m.v AS SELECT a, b FROM m.t; CREATE MATERIALIZED VIEW m.mv AS SELECT a, b FROM m.t; RESET ROLE").await;
    if let Some(served) = served {
        run(&format!("ALTER TABLE {served} OWNER TO owner")).await;
        relations.push(served);
    }
    run("CREATE ROLE member LOGIN IN ROLE owner; CREATE ROLE root LOGIN SUPERUSER; CREATE ROLE stranger LOGIN; CREATE ROLE \"column\" LOGIN;
         GRANT USAGE ON SCHEMA m TO \"column\"").await;
    for (role, granted) in GRANTED {
        run(&format!("CREATE ROLE \"{role}\" LOGIN; GRANT USAGE ON SCHEMA m TO \"{role}\"")).await;
        for relation in relations.iter().filter(|_| !granted.is_empty()) {
            run(&format!("GRANT {granted} ON {relation} TO \"{role}\"")).await;
        }
    }
    for relation in &relations {
        run(&format!("GRANT SELECT (a) ON {relation} TO \"column\"")).await;
    }
}

/// A session of a role, by some protocol.
enum Connection {
    Simple(Client),
    Extended(Client),
    Flight(Box<FlightSqlServiceClient<Channel>>),
}

impl Connection {
    async fn flight(address: SocketAddr, role: &str) -> Self {
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let mut client = FlightSqlServiceClient::new(channel);
        client.handshake(role, "").await.unwrap();
        Self::Flight(Box::new(client))
    }

    /// `None`: it was done; else the SQLSTATE and the words of the error.
    async fn run(&mut self, sql: &str) -> Option<(String, String)> {
        match self {
            Self::Simple(client) => client.simple_query(sql).await.err().map(|error| (sql_state(&error), describe(&error))),
            Self::Extended(client) => client.query(sql, &[]).await.err().map(|error| (sql_state(&error), describe(&error))),
            Self::Flight(client) => {
                let is_query = ["SELECT", "WITH", "EXPLAIN"].iter().any(|word| sql.starts_with(word));
                let error = match is_query {
                    true => client.execute(sql.to_owned(), None).await.err(),
                    false => client.execute_update(sql.to_owned(), None).await.err(),
                }?;
                let message = error.to_string();
                let state = message.split_once("(SQLSTATE ").and_then(|(_, rest)| rest.get(..5)).unwrap_or_default().to_owned();
                Some((state, message))
            }
        }
    }

    /// The same, of which nothing stays.
    async fn try_out(&mut self, sql: &str) -> Option<(String, String)> {
        assert_eq!(self.run("BEGIN").await, None);
        let outcome = self.run(sql).await;
        assert_eq!(self.run("ROLLBACK").await, None);
        outcome
    }
}

/// The cells of one role; gives how many there were and what was wrong.
async fn check(role: &str, protocol: &str, mut connection: Connection, served: Option<&str>, wrong: &mut Vec<String>) -> usize {
    let mut cells = vec![];
    for relation in ["m.t", "m.v", "m.mv"].into_iter().chain(served) {
        cells.extend(READS.iter().map(|(action, needs)| (relation, *action, *needs)));
    }
    cells.extend(WRITES.iter().map(|(action, needs)| ("m.t", *action, *needs)));
    cells.extend(DROPS.iter().map(|(relation, action)| (*relation, *action, Needs::Ownership)));
    for (relation, action, needs) in &cells {
        let sql = action.replace("{}", relation);
        // Nothing of the schema is known to who may not use it.
        let may = may(role, *needs) && (role != "stranger");
        match (may, connection.try_out(&sql).await) {
            (true, None) => {}
            (false, Some((state, _))) if state == "42501" => {}
            (_, outcome) => wrong.push(format!("{role} {protocol} {sql}: may {may}, and got {outcome:?}")),
        }
    }
    cells.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_does_what_it_may_with_every_object_over_every_protocol() {
    let location = TempDir::new().unwrap();
    std::fs::write(location.path().join("served.csv"), "a,b\n1,2\n").unwrap();
    let server = Server::start(&[data::path(location.path())]);
    prepare(&connect(server.postgres()).await, Some("served")).await;
    let (mut cells, mut wrong) = (0, vec![]);
    for role in roles() {
        for protocol in ["simple", "extended", "flight"] {
            let connection = match protocol {
                "simple" => Connection::Simple(connect_as(server.postgres(), role).await),
                "extended" => Connection::Extended(connect_as(server.postgres(), role).await),
                _ => Connection::flight(server.flight(), role).await,
            };
            cells += check(role, protocol, connection, Some("served"), &mut wrong).await;
        }
    }
    assert!(wrong.is_empty(), "{} of {cells} cells are wrong\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(cells, 12 * 3 * (4 * READS.len() + WRITES.len() + DROPS.len()));
}

/// The rules of the test are PostgreSQL's.
#[tokio::test(flavor = "multi_thread")]
async fn the_reference_agrees() {
    let Some(cluster) = Cluster::start() else {
        eprintln!("skipped: PostgreSQL 15 is not installed");
        return;
    };
    let admin = postgres_as(&cluster, "tester").await;
    prepare(&admin, None).await;
    let mut wrong = vec![];
    for role in roles() {
        check(role, "simple", Connection::Simple(postgres_as(&cluster, role).await), None, &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn postgres_as(cluster: &Cluster, role: &str) -> Client {
    let address = cluster.address();
    let (client, connection) = tokio_postgres::Config::new()
        .host(address.ip().to_string())
        .port(address.port())
        .user(role)
        .dbname("postgres")
        .connect(tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn only_roles_connect_once_there_are_any() {
    let directory = TempDir::new().unwrap();
    let arguments = ["--data-dir", &data::path(directory.path())];
    let server = Server::start(&arguments);
    let maker = connect_as(server.postgres(), "maker").await;
    maker.batch_execute("CREATE TABLE made (a int)").await.unwrap();
    // Everybody is somebody, and may do everything, until the first role is made.
    let first = connect(server.postgres()).await;
    first.batch_execute("INSERT INTO made VALUES (1); CREATE USER ann; CREATE USER bob CONNECTION LIMIT 1; CREATE ROLE \"group\"").await.unwrap();
    let refused = async |role: &str| sql_state(&try_connect_as(server.postgres(), role).await.err().expect(role));
    assert_eq!(refused("nobody").await, "28000");
    assert_eq!(refused("group").await, "28000");
    let bob = connect_as(server.postgres(), "bob").await;
    assert_eq!(refused("bob").await, "53300");
    assert_eq!(sql_state(&bob.batch_execute("SELECT * FROM made").await.unwrap_err()), "42501");
    // Who made the first role, and who has made anything before, can go on.
    assert_eq!(value(&first, "SELECT rolsuper FROM pg_roles WHERE rolname = 'tester'").await.as_deref(), Some("t"));
    assert_eq!(value(&connect_as(server.postgres(), "maker").await, "SELECT a FROM made").await.as_deref(), Some("1"));
    let channel = Endpoint::from_shared(format!("http://{}", server.flight())).unwrap().connect().await.unwrap();
    let mut flight = FlightSqlServiceClient::new(channel);
    flight.handshake("nobody", "").await.unwrap();
    let error = flight.execute("SELECT 1".into(), None).await.unwrap_err().to_string();
    assert!(error.contains("SQLSTATE 28000"), "{error}");
    first.batch_execute("ALTER ROLE ann SET search_path = pg_catalog; REVOKE CONNECT ON DATABASE arbalest FROM public").await.unwrap();
    assert_eq!(refused("ann").await, "42501");
    first.batch_execute("GRANT CONNECT ON DATABASE arbalest TO ann, bob").await.unwrap();
    let ann = connect_as(server.postgres(), "ann").await;
    assert_eq!(value(&ann, "SHOW search_path").await.as_deref(), Some("pg_catalog"));
    // What was said holds at once, also for sessions that are there, and after the server.
    first.batch_execute("GRANT SELECT ON made TO ann").await.unwrap();
    assert_eq!(value(&ann, "SELECT a FROM public.made").await.as_deref(), Some("1"));
    first.batch_execute("DROP OWNED BY ann; DROP ROLE ann").await.unwrap();
    assert_eq!(sql_state(&ann.batch_execute("SELECT a FROM public.made").await.unwrap_err()), "42501");
    drop((server, first, bob, ann, maker));
    let server = Server::start(&arguments);
    assert_eq!(sql_state(&try_connect_as(server.postgres(), "ann").await.err().unwrap()), "28000");
    let bob = connect_as(server.postgres(), "bob").await;
    assert_eq!(sql_state(&bob.batch_execute("SELECT * FROM made").await.unwrap_err()), "42501");
}

#[tokio::test]
async fn a_role_sees_its_own_queries_and_no_passwords() {
    let server = Server::start::<&str>(&[]);
    let admin = connect(server.postgres()).await;
    admin.batch_execute("CREATE USER ann; CREATE USER bob").await.unwrap();
    let (ann, bob) = (connect_as(server.postgres(), "ann").await, connect_as(server.postgres(), "bob").await);
    ann.batch_execute("ALTER USER ann PASSWORD 'hunter2'").await.unwrap();
    let query = "SELECT query FROM pg_stat_activity WHERE usename = 'ann'";
    assert_eq!(value(&admin, query).await.as_deref(), Some("ALTER USER ann …"));
    assert_eq!(value(&bob, query).await.as_deref(), Some("<insufficient privilege>"));
    let process = value(&ann, "SELECT pg_backend_pid()").await.unwrap();
    let error = bob.batch_execute(&format!("SELECT pg_cancel_backend({process})")).await.unwrap_err();
    assert_eq!(sql_state(&error), "42501");
    assert_eq!(value(&admin, &format!("SELECT pg_cancel_backend({process})")).await.as_deref(), Some("t"));
    for table in ["pg_authid", "pg_shadow"] {
        let column = if table == "pg_authid" { "rolpassword" } else { "passwd" };
        let name = if table == "pg_authid" { "rolname" } else { "usename" };
        let query = format!("SELECT {column} FROM {table} WHERE {name} = 'ann'");
        assert!(value(&admin, &query).await.unwrap().starts_with("SCRAM-SHA-256$4096:"));
        assert_eq!(value(&bob, &query).await, None);
    }
    let log = server.standard_error();
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test]
async fn locations_are_granted() {
    let directory = TempDir::new().unwrap();
    for name in ["told", "granted", "granted/more", "other"] {
        std::fs::create_dir(directory.path().join(name)).unwrap();
        std::fs::write(directory.path().join(name).join("t.csv"), "a\n1\n").unwrap();
    }
    std::os::unix::fs::symlink(directory.path().join("other"), directory.path().join("granted/link")).unwrap();
    let at = |path: &str| data::path(&directory.path().join(path));
    let server = Server::start(&[at("told")]);
    let admin = connect(server.postgres()).await;
    admin.batch_execute("CREATE USER ann; CREATE SCHEMA s; GRANT USAGE, CREATE ON SCHEMA s TO ann").await.unwrap();
    let ann = connect_as(server.postgres(), "ann").await;
    let read = async |client: &Client, path: &str| {
        client.simple_query(&format!("SELECT a FROM '{path}'")).await.err().map(|error| sql_state(&error))
    };
    let denied = Some("42501".to_owned());
    // What the server was told is the superusers'.
    assert_eq!(read(&admin, &at("told/t.csv")).await, None);
    assert_eq!(read(&ann, &at("told/t.csv")).await, denied);
    assert_eq!(read(&admin, &at("granted/t.csv")).await, denied);
    admin.batch_execute(&format!("GRANT READ ON LOCATION '{}/' TO ann", at("granted"))).await.unwrap();
    for path in ["granted/t.csv", "granted/more/t.csv", "granted/more/", "other/../granted/t.csv"] {
        assert_eq!(read(&ann, &at(path)).await, None, "{path}");
    }
    assert_eq!(read(&admin, &at("granted/t.csv")).await, None);
    for path in ["granted/../other/t.csv", "granted/link/t.csv", "other/t.csv", "granted2/t.csv", ""] {
        assert_eq!(read(&ann, &at(path)).await, denied, "{path}");
    }
    let encoded = format!("file://{}/%2e%2e/other/t.csv", at("granted"));
    for url in ["s3://bucket/t.parquet", "https://example.org/t.csv", "file:///etc/passwd", &encoded] {
        assert_eq!(read(&ann, url).await, denied, "{url}");
    }
    // Tables over files, and files that are written.
    let external = |name: &str, path: &str| format!("CREATE EXTERNAL TABLE s.{name} STORED AS CSV LOCATION '{}'", at(path));
    assert_eq!(sql_state(&ann.batch_execute(&external("x", "other/")).await.unwrap_err()), "42501");
    ann.batch_execute(&external("x", "granted/t.csv")).await.unwrap();
    assert_eq!(value(&ann, "SELECT a FROM s.x").await.as_deref(), Some("1"));
    let copy = format!("COPY (SELECT 2 AS a) TO '{}' (FORMAT csv, HEADER)", at("granted/new.csv"));
    assert_eq!(sql_state(&ann.batch_execute(&copy).await.unwrap_err()), "42501");
    admin.batch_execute(&format!("GRANT WRITE ON LOCATION '{}' TO ann", at("granted"))).await.unwrap();
    ann.batch_execute(&copy).await.unwrap();
    assert_eq!(value(&ann, &format!("SELECT a FROM '{}'", at("granted/new.csv"))).await.as_deref(), Some("2"));
    // Only superusers say what may be read first; what is the server's own is nobody's.
    assert_eq!(sql_state(&ann.batch_execute(&format!("GRANT READ ON LOCATION '{}' TO ann", at("other"))).await.unwrap_err()), "42501");
    let own = data::path(&server.data_directory());
    admin.batch_execute(&format!("GRANT READ, WRITE ON LOCATION '{own}' TO ann")).await.unwrap();
    assert_eq!(read(&ann, &format!("{own}/catalog.sqlite")).await, denied);
    admin.batch_execute(&format!("REVOKE ALL ON LOCATION '{}' FROM ann", at("granted"))).await.unwrap();
    assert_eq!(read(&ann, &at("granted/t.csv")).await, denied);
    assert_eq!(sql_state(&ann.batch_execute("SELECT a FROM s.x").await.unwrap_err()), "42501");
}

#[tokio::test]
async fn what_is_taken_is_gone_at_once() {
    let server = Server::start::<&str>(&[]);
    // Older than the first role.
    let (old, admin) = (connect_as(server.postgres(), "old").await, connect(server.postgres()).await);
    admin.batch_execute("CREATE TABLE t (a int); CREATE TABLE u (a int); CREATE ROLE boss SUPERUSER LOGIN; CREATE ROLE ann LOGIN").await.unwrap();
    let denied = async |client: &Client, sql: &str| {
        let state = sql_state(&client.batch_execute(sql).await.expect_err(sql));
        client.batch_execute("ROLLBACK").await.unwrap();
        state
    };
    assert_eq!(denied(&old, "SELECT * FROM t").await, "42501");
    assert_eq!(denied(&old, "ALTER USER old SET search_path = public").await, "42704");
    assert_eq!(denied(&old, "ALTER USER CURRENT_USER PASSWORD 'x'").await, "42704");
    // Within a block that began before.
    let (boss, ann) = (connect_as(server.postgres(), "boss").await, connect_as(server.postgres(), "ann").await);
    admin.batch_execute("GRANT SELECT ON t, u TO ann").await.unwrap();
    boss.batch_execute("BEGIN; SELECT * FROM t").await.unwrap();
    ann.batch_execute("BEGIN; SELECT * FROM t").await.unwrap();
    admin.batch_execute("ALTER ROLE boss NOSUPERUSER; REVOKE SELECT ON u FROM ann; INSERT INTO t VALUES (1)").await.unwrap();
    assert_eq!(value(&ann, "SELECT count(*) FROM t").await.as_deref(), Some("0"));
    assert_eq!(denied(&ann, "SELECT * FROM u").await, "42501");
    assert_eq!(denied(&boss, "CREATE ROLE evil SUPERUSER").await, "42501");
    // A prepared statement, by the protocol.
    let prepared = ann.prepare("SELECT a FROM t").await.unwrap();
    assert_eq!(ann.query(&prepared, &[]).await.unwrap().len(), 1);
    admin.batch_execute("REVOKE SELECT ON t FROM ann").await.unwrap();
    assert_eq!(sql_state(&ann.query(&prepared, &[]).await.unwrap_err()), "42501");
    // Another role of the same name is another role.
    admin.batch_execute("DROP OWNED BY ann; DROP ROLE ann; CREATE ROLE ann SUPERUSER LOGIN").await.unwrap();
    assert_eq!(denied(&ann, "SELECT * FROM t").await, "42501");
    assert_eq!(value(&connect_as(server.postgres(), "ann").await, "SELECT count(*) FROM t").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn nothing_belongs_to_a_role_that_is_dropped_meanwhile() {
    let server = Server::start::<&str>(&[]);
    let (one, other) = (connect(server.postgres()).await, connect(server.postgres()).await);
    one.batch_execute("CREATE ROLE r; CREATE TABLE t (a int)").await.unwrap();
    for (number, change) in ["CREATE SCHEMA s AUTHORIZATION r", "GRANT SELECT ON t TO r", "ALTER TABLE t OWNER TO r"].into_iter().enumerate() {
        one.batch_execute(&format!("BEGIN; {change}")).await.unwrap();
        other.batch_execute("DROP ROLE r").await.unwrap();
        let error = one.batch_execute("COMMIT").await.expect_err(change);
        assert_eq!(sql_state(&error), "40001", "{number} {error}");
        other.batch_execute("CREATE ROLE r").await.unwrap();
    }
    // What it may have later, and what it has made, goes with what it owns.
    one.batch_execute(
        "CREATE ROLE x; CREATE SCHEMA s AUTHORIZATION r; GRANT x TO r; SET ROLE r; CREATE TABLE s.t (a int);
         ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO x; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x; RESET ROLE",
    )
    .await
    .unwrap();
    one.batch_execute("REASSIGN OWNED BY r TO x").await.unwrap();
    assert_eq!(value(&one, "SELECT count(*) FROM pg_default_acl WHERE defaclrole = 'r'::regrole").await.as_deref(), Some("2"));
    one.batch_execute("REASSIGN OWNED BY x TO r; DROP OWNED BY r; DROP ROLE r, x").await.unwrap();
    assert_eq!(value(&one, "SELECT count(*) FROM pg_default_acl").await.as_deref(), Some("0"));
    let error = one.batch_execute("DROP OWNED BY arbalest CASCADE").await.unwrap_err();
    assert_eq!(sql_state(&error), "2BP01");
}

#[tokio::test]
async fn statistics_and_names_are_not_for_everybody() {
    let server = Server::start::<&str>(&[]);
    let admin = connect(server.postgres()).await;
    admin.batch_execute(
        "CREATE ROLE ann LOGIN; CREATE TABLE pay (emp text, salary int); INSERT INTO pay VALUES ('a', 100), ('b', 987654);
         CREATE VIEW some AS SELECT emp FROM pay WHERE salary < 500; GRANT SELECT ON some TO ann; CREATE MATERIALIZED VIEW hidden AS SELECT 1 AS a",
    )
    .await
    .unwrap();
    let ann = connect_as(server.postgres(), "ann").await;
    let plan = column(&ann, "EXPLAIN VERBOSE SELECT * FROM some").await.join("\n");
    assert!(!plan.contains("987654") && plan.contains("DataSourceExec"), "{plan}");
    assert!(column(&admin, "EXPLAIN VERBOSE SELECT * FROM some").await.join("\n").contains("987654"));
    assert_eq!(column(&ann, "SHOW MATERIALIZED VIEWS").await, Vec::<String>::new());
    assert_eq!(column(&ann, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'").await, ["some"]);
    for sql in ["CREATE TABLE d (a int DEFAULT (SELECT max(salary) FROM pay))", "CREATE TABLE d (a int, CHECK (a IN (SELECT salary FROM pay)))"] {
        assert_eq!(sql_state(&admin.batch_execute(sql).await.unwrap_err()), "0A000", "{sql}");
    }
}
