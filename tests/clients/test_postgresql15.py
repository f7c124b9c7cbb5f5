"""The wire, byte for byte: what PostgreSQL 15 sends for the same statement on the same rows."""

import postgresql15
import psycopg
import pytest

pytestmark = pytest.mark.skipif(not postgresql15.is_installed(), reason="PostgreSQL 15 is not installed")


@pytest.fixture(scope="module")
def connections(server):
    cluster = postgresql15.Cluster()
    try:
        with psycopg.connect(server.dsn, autocommit=True) as ours, psycopg.connect(cluster.dsn, autocommit=True) as theirs:
            for connection in (ours, theirs):
                connection.execute("SET TIME ZONE 'UTC'")
            yield ours, theirs
    finally:
        cluster.close()


STATEMENTS = [
    "SELECT * FROM types ORDER BY id",
    "SELECT * FROM employees ORDER BY id",
    "SELECT * FROM departments ORDER BY code",
    "SELECT * FROM purchases ORDER BY id",
    "SELECT * FROM readings ORDER BY sensor, taken",
    'SELECT * FROM "Sales 2024" ORDER BY "select"',
    "SELECT * FROM types WHERE false",
    "SELECT true AS a, 1::smallint AS b, 2::int AS c, 3::bigint AS d, 1.5::real AS e, 2.5::float8 AS f, 'x'::text AS g",
    "SELECT DATE '2024-02-29' AS a, TIME '01:02:03.4' AS b, TIMESTAMP '2024-02-29 01:02:03.4' AS c, TIMESTAMPTZ '2024-02-29 01:02:03+02' AS d",
    "SELECT INTERVAL '1 year 2 mons -3 days 04:05:06.789' AS a, INTERVAL '-1 second' AS b",
    "SELECT '1e15'::float8 AS a, '1e-5'::float8 AS b, 'NaN'::float8 AS c, '-Infinity'::float8 AS d, '-0'::float8 AS e, '1e6'::real AS f",
    "SELECT count(*), sum(salary), min(name), max(hired) FROM employees",
    "SELECT department, count(*) AS n, sum(points) AS total FROM employees, events GROUP BY department ORDER BY department",
]


def description(result):
    return [(result.fname(i), result.ftype(i), result.fmod(i), result.fsize(i)) for i in range(result.nfields)]


def rows(result):
    return [[result.get_value(row, i) for i in range(result.nfields)] for row in range(result.ntuples)]


@pytest.mark.parametrize("format", [0, 1], ids=["text", "binary"])
@pytest.mark.parametrize("sql", STATEMENTS)
def test_same_bytes(connections, sql, format):
    ours, theirs = (connection.pgconn.exec_params(sql.encode(), [], result_format=format) for connection in connections)
    assert ours.error_message == b""
    assert theirs.error_message == b""
    assert description(ours) == description(theirs)
    assert rows(ours) == rows(theirs)
    assert ours.command_status == theirs.command_status


@pytest.mark.parametrize("format", ["text", "csv", "binary", "csv, HEADER"])
@pytest.mark.parametrize("sql", STATEMENTS[:7])
def test_same_copy(connections, sql, format):
    data = []
    for connection in connections:
        with connection.cursor().copy(f"COPY ({sql}) TO STDOUT (FORMAT {format})") as copy:
            data.append(b"".join(bytes(part) for part in copy))
    assert data[0] == data[1]
