"""pandas, Polars, ConnectorX and ADBC's PostgreSQL driver: what is written comes back."""

import datetime

import adbc_driver_postgresql.dbapi
import connectorx
import pandas
import polars
import pyarrow
import pytest
import sqlalchemy

from arbalest import Server

ROWS = 20_000


@pytest.fixture(scope="module")
def uri():
    with Server() as server:
        uri = f"postgresql://me@{server.host}:{server.postgres_port}/arbalest"
        with sqlalchemy.create_engine(uri).begin() as connection:
            connection.execute(sqlalchemy.text(
                f"""CREATE TABLE numbers AS SELECT i::int AS id, 'n' || i AS name, i * 1.25 AS price, i / 4.0::float8 AS ratio,
                    date '2024-01-01' + (i % 365)::int AS day, timestamp '2024-01-01' + i * interval '1 minute' AS at,
                    i % 2 = 0 AS even, CASE WHEN i % 3 > 0 THEN i END AS maybe FROM generate_series(1, {ROWS}) AS g(i)"""
            ))
        yield uri


def test_pandas(uri):
    engine = sqlalchemy.create_engine(uri.replace("postgresql:", "postgresql+psycopg2:"))
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [0.5, 1.5, None], "d": pandas.to_datetime(["2024-01-01", "2024-01-02", None])})
    for method in (None, "multi"):
        assert frame.to_sql("written", engine, if_exists="replace", index=False, method=method) == 3
        back = pandas.read_sql("SELECT * FROM written ORDER BY a", engine)
        pandas.testing.assert_frame_equal(back, frame, check_dtype=False)
    assert frame.to_sql("written", engine, if_exists="append", index=False) == 3
    assert len(pandas.read_sql_table("written", engine)) == 6
    read = pandas.read_sql("SELECT * FROM numbers", engine)
    assert len(read) == ROWS and read.id.sum() == ROWS * (ROWS + 1) // 2 and read.maybe.isna().sum() == ROWS // 3


@pytest.mark.parametrize("reader", ["connectorx", "adbc"])
def test_polars(uri, reader):
    frame = polars.read_database_uri("SELECT id, name, ratio, day, at, even, maybe FROM numbers ORDER BY id", uri, engine=reader)
    assert frame.shape == (ROWS, 7) and frame["id"].to_list()[:3] == [1, 2, 3]
    assert frame["day"][0] == datetime.date(2024, 1, 2) and frame["at"][0] == datetime.datetime(2024, 1, 1, 0, 1)
    assert frame["ratio"][2] == 0.75 and frame["even"].sum() == ROWS // 2 and frame["maybe"].null_count() == ROWS // 3
    written = polars.DataFrame({"a": [1, 2, 3], "s": ["x", "y", None]})
    writer = "adbc" if reader == "adbc" else "sqlalchemy"
    written.write_database("from_polars", uri, engine=writer, if_table_exists="replace")
    assert polars.read_database_uri("SELECT * FROM from_polars ORDER BY a", uri, engine=reader).equals(written)


def test_connectorx_reads_in_parts(uri):
    frame = connectorx.read_sql(uri, "SELECT id, name FROM numbers", partition_on="id", partition_num=3)
    assert sorted(frame.id) == list(range(1, ROWS + 1))


def test_adbc(uri):
    with adbc_driver_postgresql.dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, name, ratio, day, at, even, maybe FROM numbers WHERE id <= $1 ORDER BY id", (5,))
        table = cursor.fetch_arrow_table()
        assert table["name"].to_pylist() == [f"n{i}" for i in range(1, 6)]
        rows = pyarrow.table({"a": pyarrow.array(range(ROWS), pyarrow.int64()), "s": [f"é {i}" if i % 7 else None for i in range(ROWS)]})
        assert cursor.adbc_ingest("ingested", rows, mode="create") == ROWS
        connection.commit()
        cursor.execute("SELECT count(*), sum(a), count(s) FROM ingested")
        assert cursor.fetchone()[0] == ROWS
        assert connection.adbc_get_objects(depth="columns").read_all().num_rows == 1
