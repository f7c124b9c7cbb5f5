"""pg8000: a pure Python driver that prepares every statement and reads text."""

import datetime
import decimal

import pg8000.native
import pytest


@pytest.fixture()
def connection(server):
    connection = pg8000.native.Connection("tester", host=server.host, port=server.postgres_port, database="arbalest", timeout=60)
    yield connection
    connection.close()


def test_rows(connection):
    rows = connection.run("SELECT id, name, salary, hired, rating, active FROM employees WHERE id <= :id ORDER BY id", id=2)
    assert rows == [
        [1, "Ada", decimal.Decimal("9200.00"), datetime.date(2015, 3, 1), 4.5, True],
        [2, "Bjarne", decimal.Decimal("8100.50"), datetime.date(2016, 7, 15), 4.25, True],
    ]


def test_columns(connection):
    connection.run("SELECT id, tags FROM orders WHERE id = 100")
    assert [(column["name"], column["type_oid"]) for column in connection.columns] == [("id", 20), ("tags", 1009)]


def test_list(connection):
    assert connection.run("SELECT tags FROM orders WHERE id = 100") == [[["new", "web"]]]


def test_error(connection):
    with pytest.raises(pg8000.exceptions.DatabaseError) as failure:
        connection.run("SELECT * FROM nowhere")
    assert failure.value.args[0]["C"] == "42P01"
    assert connection.run("SELECT 1") == [[1]]
