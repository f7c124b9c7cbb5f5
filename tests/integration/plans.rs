//! What EXPLAIN shows: where a query runs and why, which side of a join is sent, which scans get a filter made by a join.

use tokio_postgres::Client;

use crate::client::{column, connect, sql_state};
use crate::data;
use crate::server::Server;

async fn explain(client: &Client, mode: &str, sql: &str) -> Vec<String> {
    client.simple_query(&format!("SET arbalest.execution_mode = '{mode}'")).await.unwrap();
    column(client, &format!("EXPLAIN {sql}")).await
}

#[tokio::test]
async fn the_last_line_says_where_and_why() {
    let server = Server::start(&[data::lake()]);
    let client = connect(server.postgres()).await;
    for (mode, sql, last) in [
        ("local", "SELECT 1", "Execution: local (arbalest.execution_mode is local)"),
        ("distributed", "SELECT count(*) FROM employees", "Execution: distributed (arbalest.execution_mode is distributed)"),
        ("distributed", "SELECT relname FROM pg_class", "Execution: local (reads the catalog only)"),
        ("auto", "SELECT 1", "Execution: local (reads no files)"),
    ] {
        assert_eq!(explain(&client, mode, sql).await.last().map(String::as_str), Some(last), "{mode}: {sql}");
    }
    let lines = explain(&client, "auto", "SELECT * FROM employees").await;
    let last = lines.last().unwrap();
    assert!(last.starts_with("Execution: local (reads ") && last.contains(" in 1 file, at most "), "{last}");
}

#[tokio::test]
async fn analyze_tells_of_each_operator_what_it_did() {
    let server = Server::start(&[data::lake()]);
    let client = connect(server.postgres()).await;
    for (sql, above) in [
        ("SELECT 1", "ProjectionExec"),
        ("SELECT upper(name) FROM (SELECT name FROM employees ORDER BY name OFFSET 1) AS t", "ProjectionExec"),
        ("SELECT count(*) FROM employees a JOIN employees b ON a.name < b.name", "AggregateExec"),
    ] {
        let lines = column(&client, &format!("EXPLAIN ANALYZE {sql}")).await;
        let line = lines.iter().find(|line| line.trim_start().starts_with(above)).unwrap_or_else(|| panic!("{lines:#?}"));
        assert!(line.contains("output_rows="), "{lines:#?}");
    }
}

#[tokio::test]
async fn a_plan_that_the_cluster_cannot_run_is_refused_by_name() {
    let server = Server::start(&["--sample", "tpch=0.01", "--local-max-bytes", "0"]);
    let client = connect(server.postgres()).await;
    let recursive = "WITH RECURSIVE t(n) AS (SELECT n_nationkey FROM nation UNION ALL SELECT n - 1 FROM t WHERE n > 0) SELECT * FROM t";
    let lines = explain(&client, "auto", recursive).await;
    let last = lines.last().unwrap();
    assert!(last.starts_with("Execution: local (the cluster cannot run it: "), "{last}");
    client.simple_query("SET arbalest.execution_mode = 'distributed'").await.unwrap();
    let error = client.simple_query(recursive).await.expect_err("refused");
    assert_eq!(sql_state(&error), "0A000");
    let filter = "SELECT sum(n_nationkey) FILTER (WHERE n_regionkey = 1) OVER () FROM nation";
    let lines = explain(&client, "auto", filter).await;
    assert!(lines.last().unwrap().contains("the cluster cannot run it: the FILTER of a window function"), "{lines:?}");
    client.simple_query("SET arbalest.execution_mode = 'distributed'").await.unwrap();
    assert_eq!(sql_state(&client.simple_query(filter).await.expect_err("refused")), "0A000");
    let lines = explain(&client, "auto", "SELECT sum(n_nationkey) FROM nation").await;
    assert!(lines.last().unwrap().starts_with("Execution: distributed (reads "), "{lines:?}");
}

#[tokio::test]
async fn the_cluster_sends_the_small_side_and_never_one_whose_rows_are_all_kept() {
    let server = Server::start(&["--sample", "tpch=0.01"]);
    let client = connect(server.postgres()).await;
    let joins = async |sql: &str| {
        let lines = explain(&client, "distributed", sql).await;
        lines.into_iter().filter(|line| line.contains("HashJoinExec") || line.contains("RepartitionExec")).collect::<Vec<_>>()
    };
    let inner = joins("SELECT * FROM lineitem JOIN nation ON n_nationkey = l_suppkey").await;
    assert!(matches!(inner.as_slice(), [join] if join.contains("mode=CollectLeft, join_type=Inner, on=[(n_nationkey")), "{inner:?}");
    for sql in [
        "SELECT * FROM nation LEFT JOIN lineitem ON n_nationkey = l_suppkey",
        "SELECT * FROM lineitem RIGHT JOIN nation ON n_nationkey = l_suppkey",
        "SELECT * FROM nation FULL JOIN region ON n_regionkey = r_regionkey",
        "SELECT * FROM nation WHERE NOT EXISTS (SELECT 1 FROM lineitem WHERE l_suppkey = n_nationkey)",
    ] {
        let lines = joins(sql).await;
        let loses_rows = ["Left", "Full", "LeftSemi", "LeftAnti"].map(|kind| format!("mode=CollectLeft, join_type={kind},"));
        assert!(!lines.iter().any(|line| loses_rows.iter().any(|kind| line.contains(kind))), "{sql}: {lines:?}");
    }
}

/// A stage for a few rows takes longer than to read them in each task.
#[tokio::test]
async fn tasks_read_small_tables_themselves() {
    let server = Server::start(&["--sample", "tpch=0.1"]);
    let client = connect(server.postgres()).await;
    let sides = async |sql: &str| {
        explain(&client, "distributed", sql).await.iter().filter(|line| line.trim() == "BroadcastExec").count()
    };
    let chain = "SELECT count(*) FROM lineitem, supplier, nation, region WHERE l_suppkey = s_suppkey
        AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey AND r_name = 'ASIA'";
    assert_eq!(sides(chain).await, 0);
    assert_eq!(sides("SELECT count(*) FROM lineitem JOIN part ON l_partkey = p_partkey WHERE p_size = 1").await, 1);
    let (local, distributed) = ("SET arbalest.execution_mode = 'local'", "SET arbalest.execution_mode = 'distributed'");
    client.simple_query(local).await.unwrap();
    let expected = column(&client, chain).await;
    client.simple_query(distributed).await.unwrap();
    assert_eq!(column(&client, chain).await, expected);
}

/// The scheduler takes a side that is estimated to have no rows for one of unknown size, and would exchange both: below an
/// aggregate over one partition that is a row of it for each of two.
#[tokio::test]
async fn a_side_that_seems_empty_is_sent_all_the_same() {
    let server = Server::start(&["--sample", "tpch=0.01"]);
    let client = connect(server.postgres()).await;
    client.simple_query("SET arbalest.execution_mode = 'distributed'").await.unwrap();
    let sql = "SELECT count(*) + coalesce(sum((SELECT n_regionkey FROM nation WHERE n_nationkey < 0 AND n_nationkey > t.y ORDER BY 1
        LIMIT 1)), 0) FROM (VALUES (1, 2), (2, NULL), (NULL, 3), (4, 4)) t(x, y)";
    assert_eq!(column(&client, sql).await, ["4"]);
}

#[tokio::test]
async fn a_join_filters_its_scan_if_its_build_side_is_filtered() {
    let server = Server::start(&["--sample", "tpch=0.01"]);
    let client = connect(server.postgres()).await;
    let join = "SELECT sum(l_quantity) FROM lineitem JOIN part ON p_partkey = l_partkey";
    for (condition, expected) in [("", false), (" WHERE p_brand = 'Brand#23'", true)] {
        let lines = explain(&client, "local", &format!("{join}{condition}")).await;
        let filtered = lines.iter().any(|line| line.contains("l_partkey") && line.contains("DynamicFilter"));
        assert_eq!(filtered, expected, "{lines:#?}");
    }
}

/// To look at each row before the other columns are read pays only where hardly a row passes.
#[tokio::test]
async fn scans_look_at_each_row_only_for_very_selective_joins() {
    let server = Server::start(&["--sample", "tpch=0.1"]);
    let client = connect(server.postgres()).await;
    let join = "SELECT sum(l_quantity) FROM lineitem JOIN part ON p_partkey = l_partkey WHERE p_brand = 'Brand#23'";
    for (condition, expected) in [("", false), (" AND p_container = 'MED BOX'", true)] {
        let lines = explain(&client, "local", &format!("ANALYZE {join}{condition}")).await;
        let scan = lines.iter().find(|line| line.contains("DataSourceExec") && line.contains("l_partkey")).unwrap();
        let rows = scan.split("pushdown_rows_pruned=").nth(1).and_then(|rest| rest.split([',', ']', ' ']).next()).unwrap();
        assert_eq!(rows != "0", expected, "{scan}");
    }
}

/// What takes away most rows comes before what would join or exchange them all.
#[tokio::test]
async fn few_keys_are_compared_early() {
    let server = Server::start(&["--sample", "tpch=0.1"]);
    let client = connect(server.postgres()).await;
    // The filtered keys of a HAVING, of a dimension at the end of FROM, and of a table that an aggregate or a filtered table is
    // joined with.
    let having = "SELECT count(*) FROM customer, orders, lineitem WHERE c_custkey = o_custkey AND o_orderkey = l_orderkey
        AND o_orderkey IN (SELECT l_orderkey FROM lineitem GROUP BY l_orderkey HAVING sum(l_quantity) > 300)";
    let dimension = "SELECT count(*) FROM supplier, lineitem, nation
        WHERE s_suppkey = l_suppkey AND s_nationkey = n_nationkey AND n_name = 'FRANCE'";
    let aggregate = "SELECT count(*) FROM lineitem, part WHERE p_partkey = l_partkey AND p_brand = 'Brand#23'
        AND p_container = 'MED BOX' AND l_quantity < (SELECT avg(l_quantity) FROM lineitem WHERE l_partkey = p_partkey)";
    let exists = "SELECT count(*) FROM orders WHERE o_orderdate >= DATE '1993-07-01' AND o_orderdate < DATE '1993-10-01'
        AND EXISTS (SELECT 1 FROM lineitem WHERE l_orderkey = o_orderkey AND l_commitdate < l_receiptdate)";
    for (mode, sql, above, semi) in [
        ("local", having, "c_custkey@0", "o_orderkey"),
        ("distributed", having, "c_custkey@0", "o_orderkey"),
        ("local", dimension, "s_suppkey@0", "n_nationkey@0, s_nationkey"),
        ("distributed", dimension, "s_suppkey@0", "n_nationkey@0, s_nationkey"),
        ("distributed", aggregate, "mode=Partial, gby=[l_partkey", "p_partkey@0, l_partkey"),
        ("distributed", exists, "AggregateExec: mode=Partial", "o_orderkey@0, l_orderkey"),
    ] {
        let lines = explain(&client, mode, sql).await;
        let above = lines.iter().position(|line| line.contains(above));
        let semi = lines.iter().position(|line| line.contains("Semi") && line.contains(semi));
        let deep = |line: usize| lines[line].len() - lines[line].trim_start().len();
        assert!(matches!((above, semi), (Some(above), Some(semi)) if above < semi && deep(above) < deep(semi)), "{mode} {lines:#?}");
    }
}

/// A table whose filter passes other rows each time has to be read once.
#[tokio::test]
async fn what_changes_from_one_read_to_the_next_is_read_once() {
    let server = Server::start(&["--sample", "tpch=0.1"]);
    let client = connect(server.postgres()).await;
    let filtered = |filter: &str| {
        format!("SELECT count(*) FROM lineitem JOIN (SELECT * FROM orders WHERE {filter} AND o_orderkey < 1000) o ON o_orderkey = l_orderkey")
    };
    for (filter, reads) in [("o_totalprice > 0", 2), ("random() < 0.5", 1)] {
        let sql = format!("SELECT l_orderkey, (SELECT avg(l_quantity) FROM lineitem WHERE l_orderkey = o_orderkey) {}", &filtered(filter)[15..]);
        let lines = explain(&client, "distributed", &sql).await;
        let scans = lines.iter().filter(|line| line.contains("DataSourceExec") && line.contains("orders")).count();
        assert_eq!(scans, reads, "{filter} {lines:#?}");
    }
}

/// A few rows go to the tasks of a large table, which marks them; the table is not exchanged.
#[tokio::test]
async fn few_rows_are_marked_where_the_large_table_is() {
    let server = Server::start(&["--sample", "tpch=0.1"]);
    let client = connect(server.postgres()).await;
    let exists = "EXISTS (SELECT 1 FROM lineitem WHERE l_suppkey = s_suppkey AND l_partkey > s_nationkey)";
    for (condition, join) in [(exists.to_owned(), "LeftSemi"), (format!("NOT {exists}"), "LeftMark")] {
        // One row of each nation's suppliers has to do for all that are equal to it.
        let sql = format!("SELECT count(*), sum(s_nationkey) FROM supplier WHERE {condition}");
        let lines = explain(&client, "distributed", &sql).await;
        let deep = |line: &String| line.len() - line.trim_start().len();
        let join = lines.iter().position(|line| line.contains(&format!("join_type={join}"))).expect(&format!("{lines:#?}"));
        let exchange = lines.iter().position(|line| line.contains("RepartitionExec")).expect(&format!("{lines:#?}"));
        assert!(exchange < join && deep(&lines[exchange]) < deep(&lines[join]), "{lines:#?}");
        assert_eq!(lines.iter().filter(|line| line.contains("RepartitionExec")).count(), 1, "{lines:#?}");
    }
}
