"""Tables that are kept are Delta Lake tables: other programs read them, and theirs are read."""

import datetime
import decimal

import deltalake
import duckdb
import psycopg
import pyarrow
import pytest


@pytest.fixture
def connection(server):
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        yield connection


def location(server, table):
    [found] = (server.data_directory / "warehouse").glob(f"{table}-*")
    return str(found)


def rows(connection, sql):
    return connection.execute(sql).fetchall()


def test_what_is_written_here_is_read_by_others(server, connection):
    connection.execute("""
        CREATE TABLE delta_types (a smallint, b int NOT NULL, c bigint, d real, e double precision, f numeric(12,3),
            g boolean, h date, i timestamp, j timestamptz, k text, l bytea, m varchar(5))
    """)
    connection.execute("""
        INSERT INTO delta_types VALUES
            (1, 2, 3, 1.5, -2.5, 123456.789, true, '2024-02-29', '2024-02-29 12:34:56.789', '2024-02-29 12:00:00+02', 'tëxt', '\\x00ff', 'abc'),
            (NULL, 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
    """)
    connection.execute("UPDATE delta_types SET k = 'changed' WHERE b = 5")
    connection.execute("DELETE FROM delta_types WHERE b = 1000")
    table = deltalake.DeltaTable(location(server, "delta_types"))
    first, second = sorted(table.to_pyarrow_table().to_pylist(), key=lambda row: row["b"])
    assert first == {
        "a": 1, "b": 2, "c": 3, "d": 1.5, "e": -2.5, "f": decimal.Decimal("123456.789"), "g": True,
        "h": datetime.date(2024, 2, 29), "i": datetime.datetime(2024, 2, 29, 12, 34, 56, 789000),
        "j": datetime.datetime(2024, 2, 29, 10, 0, tzinfo=datetime.timezone.utc), "k": "tëxt", "l": b"\x00\xff", "m": "abc",
    }
    assert {name: value for name, value in second.items() if value is not None} == {"b": 5, "k": "changed"}
    connection.execute("DROP TABLE delta_types")


def test_a_large_table_is_the_same_for_others(server, connection):
    connection.execute("CREATE TABLE delta_lineitem PARTITIONED BY (l_returnflag) AS SELECT * FROM lineitem")
    connection.execute("DELETE FROM delta_lineitem WHERE l_orderkey % 7 = 0")
    connection.execute("UPDATE delta_lineitem SET l_comment = 'x' WHERE l_linenumber = 3")
    connection.execute("INSERT INTO delta_lineitem SELECT * FROM lineitem WHERE l_orderkey % 7 = 0 AND l_linenumber < 3")
    sql = """
        SELECT l_returnflag, count(*), sum(l_quantity), min(l_shipdate), max(l_extendedprice), count(DISTINCT l_comment)
        FROM {} GROUP BY 1 ORDER BY 1
    """
    arrow = deltalake.DeltaTable(location(server, "delta_lineitem")).to_pyarrow_table()
    assert arrow.num_rows > 0
    assert rows(connection, sql.format("delta_lineitem")) == duckdb.sql(sql.format("arrow")).fetchall()
    connection.execute("DROP TABLE delta_lineitem")


def test_what_others_write_into_a_table_is_read_here(server, connection):
    connection.execute("CREATE TABLE delta_foreign AS SELECT 1 AS a, 'here' AS b")
    path = location(server, "delta_foreign")
    arrow = deltalake.DeltaTable(path).to_pyarrow_table()
    row = {name: [value] for name, value in {"a": 2, "b": "there"}.items()}
    deltalake.write_deltalake(path, pyarrow.table(row, schema=arrow.schema), mode="append")
    assert rows(connection, "SELECT a, b FROM delta_foreign ORDER BY a") == [(1, "here"), (2, "there")]
    connection.execute("UPDATE delta_foreign SET b = b || '!' WHERE a = 2")
    deltalake.DeltaTable(path).delete("a = 1")
    assert rows(connection, "SELECT a, b FROM delta_foreign") == [(2, "there!")]
    connection.execute("DROP TABLE delta_foreign")
