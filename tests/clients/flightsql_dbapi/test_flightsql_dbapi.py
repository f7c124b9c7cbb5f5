"""flightsql-dbapi: DB-API, reads the first endpoint only, sends parameters as unions."""

import flightsql
import pytest


@pytest.fixture()
def connection(server):
    client = flightsql.FlightSQLClient(
        host=server.host, port=server.flight_port, user="tester", password="", insecure=True
    )
    connection = flightsql.connect(client)
    yield connection
    connection.close()


def test_rows(connection):
    cursor = connection.cursor()
    cursor.execute("SELECT id, name FROM employees ORDER BY id LIMIT 2")
    assert [tuple(row) for row in cursor.fetchall()] == [(1, "Ada"), (2, "Bjarne")]
    assert [column[0] for column in cursor.description] == ["id", "name"]


def test_parameters(connection):
    cursor = connection.cursor()
    cursor.execute("SELECT name FROM employees WHERE id > ? AND department = ? ORDER BY id", [1, "ENG"])
    assert [tuple(row) for row in cursor.fetchall()] == [("Bjarne",), ("Edsger",), ("Linus",)]


def test_no_rows(connection):
    cursor = connection.cursor()
    cursor.execute("SELECT name FROM employees WHERE false")
    assert cursor.fetchall() == []


def test_metadata(server):
    client = flightsql.FlightSQLClient(
        host=server.host, port=server.flight_port, user="tester", password="", insecure=True
    )
    info = client.get_tables(include_schema=False)
    table = client.do_get(info.endpoints[0].ticket).read_all()
    assert "employees" in table["table_name"].to_pylist()


def test_error(connection):
    cursor = connection.cursor()
    with pytest.raises(Exception, match="nowhere"):
        cursor.execute("SELECT * FROM nowhere")
        cursor.fetchall()
