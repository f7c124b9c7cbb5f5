"""Rows with and without a partner in a large table, in both modes, row by row against DuckDB on the same files."""

import arbalest
import duckdb
import psycopg
import pytest
from answers import assert_same_rows

# Few rows, some of them equal, some without a key; one partition, and several.
FEW = {
    "equal": "(SELECT s_nationkey AS k, 'text' AS t FROM supplier WHERE s_suppkey < 60)",
    "null": "(SELECT CASE WHEN s_suppkey % 3 > 0 THEN s_suppkey * 100 END AS k, s_name AS t FROM supplier)",
    "joined": "(SELECT o_orderkey AS k, c_name AS t FROM orders JOIN customer ON c_custkey = o_custkey WHERE c_custkey < 40)",
    "numbers": "(SELECT * FROM (VALUES (1, 'a'), (1, 'a'), (NULL, 'b'), (32, NULL), (-5, 'c')) AS v(k, t))",
    "none": "(SELECT s_suppkey AS k, s_name AS t FROM supplier WHERE s_suppkey < 0)",
}
CONDITIONS = {
    "a key": "l_orderkey = k",
    "a key and a condition": "l_orderkey = k AND l_linenumber > length(t) % 7",
    "two keys": "l_orderkey = k AND l_shipmode = t",
    "a filter": "l_suppkey = k AND l_commitdate < l_receiptdate AND l_quantity = 17",
}


@pytest.fixture(scope="module")
def server():
    """One whose table is too large to be sent to all tasks."""
    with arbalest.Server("--sample", "tpch=0.1", "--vcores", "2") as server:
        yield server


@pytest.fixture(scope="module")
def duck(server):
    connection = duckdb.connect()
    for table, files in server.tpch_files().items():
        connection.read_parquet(files).create_view(table)
    return connection


@pytest.fixture(scope="module", params=["local", "distributed"])
def connection(request, server):
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"SET arbalest.execution_mode = '{request.param}'")
        yield connection


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("few", FEW)
def test_rows_with_a_partner_and_without(connection, duck, few, condition):
    exists = f"EXISTS (SELECT 1 FROM lineitem WHERE {CONDITIONS[condition]})"
    for sql in (
        f"SELECT * FROM {FEW[few]} AS few WHERE {exists}",
        f"SELECT * FROM {FEW[few]} AS few WHERE NOT {exists}",
        f"SELECT t, count(*) FROM {FEW[few]} AS few WHERE {exists} GROUP BY t",
    ):
        assert_same_rows(connection.execute(sql).fetchall(), duck.execute(sql).fetchall(), ordered=False)


@pytest.mark.parametrize(("negation", "join"), [("", "LeftSemi"), ("NOT", "LeftMark")])
def test_tasks_mark_the_few_rows(server, negation, join):
    exists = f"EXISTS (SELECT 1 FROM lineitem WHERE {CONDITIONS['a key and a condition']})"
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("SET arbalest.execution_mode = 'distributed'")
        for few in FEW.values():
            plan = connection.execute(f"EXPLAIN SELECT * FROM {few} AS few WHERE {negation} {exists}").fetchall()
            assert any(f"mode=CollectLeft, join_type={join}" in line for (line,) in plan), plan


def test_both_at_once(connection, duck):
    sql = """SELECT k, t, count(*) FROM (SELECT l1.l_orderkey AS k, l1.l_suppkey AS s, s_name AS t FROM supplier, lineitem l1
                WHERE s_suppkey = l1.l_suppkey AND s_suppkey < 20 AND l1.l_receiptdate > l1.l_commitdate) AS few
             WHERE EXISTS (SELECT 1 FROM lineitem l2 WHERE l2.l_orderkey = k AND l2.l_suppkey <> s)
               AND NOT EXISTS (SELECT 1 FROM lineitem l3 WHERE l3.l_orderkey = k AND l3.l_suppkey <> s
                                 AND l3.l_receiptdate > l3.l_commitdate)
             GROUP BY k, t ORDER BY k, t"""
    assert_same_rows(connection.execute(sql).fetchall(), duck.execute(sql).fetchall())
