"""The 22 TPC-H queries over both protocols and in both modes, row by row against DuckDB on the same files."""

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi
import arbalest
import duckdb
import psycopg
import pytest
from answers import assert_same_rows

MODES = ["local", "distributed", "auto"]


@pytest.fixture(scope="module")
def expected(server):
    """Query number → DuckDB's rows."""
    duck = duckdb.connect()
    for table, files in server.tpch_files().items():
        duck.read_parquet(files).create_view(table)
    return {number: duck.execute(arbalest.tpch_query(number)).fetchall() for number in range(1, 23)}


@pytest.fixture(scope="module", params=MODES)
def postgres(request, server):
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"SET arbalest.execution_mode = '{request.param}'")
        yield connection


@pytest.fixture(scope="module", params=MODES)
def flight(request, server):
    options = {"username": "tester", "password": ""}
    with adbc_driver_flightsql.dbapi.connect(server.flight_uri, db_kwargs=options, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"SET arbalest.execution_mode = '{request.param}'")
        yield connection


def test_every_query_has_rows(expected):
    assert all(expected.values())


@pytest.mark.parametrize("number", range(1, 23))
def test_postgres_text(postgres, expected, number):
    rows = psycopg.ClientCursor(postgres).execute(arbalest.tpch_query(number)).fetchall()
    assert_same_rows(rows, expected[number])


@pytest.mark.parametrize("number", range(1, 23))
def test_postgres_binary(postgres, expected, number):
    with postgres.cursor(binary=True) as cursor:
        rows = cursor.execute(arbalest.tpch_query(number), prepare=True).fetchall()
    assert_same_rows(rows, expected[number])


@pytest.mark.parametrize("number", range(1, 23))
def test_flight_sql(flight, expected, number):
    with flight.cursor() as cursor:
        cursor.execute(arbalest.tpch_query(number))
        rows = cursor.fetchall()
    assert_same_rows(rows, expected[number])
