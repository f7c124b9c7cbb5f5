"""psycopg 2: simple protocol, text, implicit transactions."""

import datetime
import decimal
import io

import psycopg2
import pytest


@pytest.fixture()
def connection(server):
    connection = psycopg2.connect(server.dsn)
    yield connection
    connection.close()


def test_rows(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, name, salary, hired, rating, active FROM employees WHERE id = %s", (2,))
        assert cursor.fetchone() == (2, "Bjarne", decimal.Decimal("8100.50"), datetime.date(2016, 7, 15), 4.25, True)
        assert cursor.rowcount == 1


def test_lists_and_nulls(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT tags FROM orders WHERE id IN %s ORDER BY id", ((102, 103, 104),))
        assert cursor.fetchall() == [([],), (None,), (["web", "ghost"],)]


def test_implicit_transaction(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        with pytest.raises(psycopg2.errors.UndefinedTable):
            cursor.execute("SELECT * FROM nowhere")
        with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
            cursor.execute("SELECT 1")
        connection.rollback()
        cursor.execute("SELECT 2")
        assert cursor.fetchone() == (2,)
        connection.commit()


def test_copy_to_file(connection):
    with connection.cursor() as cursor:
        out = io.StringIO()
        cursor.copy_expert("COPY (SELECT code, budget FROM departments ORDER BY code) TO STDOUT WITH CSV HEADER", out)
        assert out.getvalue().splitlines() == ["code,budget", "ENG,500000", "LEG,90000", "OPS,250000", "RES,750000"]


def test_several_results_in_one_string(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1; SELECT 2")
        assert cursor.fetchall() == [(2,)]
