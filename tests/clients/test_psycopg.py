"""psycopg 3: text and binary, parameters, pipeline, cancel, streaming."""

import datetime
import decimal
import threading
import time

import psycopg
import pytest


@pytest.fixture(scope="module")
def connection(server):
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        yield connection


TYPES = [
    ("small", 32767),
    ("middle", 2147483647),
    ("large", 9223372036854775807),
    ("double", 1e-07),
    ("exact", decimal.Decimal("9999999999999999999999999999.9999999999")),
    ("bytes", bytes(range(16))),
    ("day", datetime.date(9999, 12, 31)),
    ("clock", datetime.time(12, 34, 56, 500000)),
    ("instant", datetime.datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=datetime.timezone.utc)),
    ("numbers", [None, -1]),
    ("labels", ["", "NULL", "with space", 'a"b', "c\\d", "{}", None]),
]


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(("column", "value"), TYPES)
def test_types(connection, column, value, binary):
    with connection.cursor(binary=binary) as cursor:
        assert cursor.execute(f"SELECT {column} FROM types WHERE id = 3").fetchone() == (value,)


@pytest.mark.parametrize("binary", [False, True])
def test_nulls(connection, binary):
    with connection.cursor(binary=binary) as cursor:
        row = cursor.execute("SELECT * FROM types WHERE id = 5").fetchone()
    assert row == (5,) + (None,) * 15


@pytest.mark.parametrize("binary", [False, True])
def test_parameters(connection, binary):
    with connection.cursor(binary=binary) as cursor:
        cursor.execute(
            "SELECT name FROM employees WHERE id > %s AND department = %s AND hired < %s AND salary > %s ORDER BY id",
            (1, "ENG", datetime.date(2021, 1, 1), decimal.Decimal("7300.50")),
        )
        assert cursor.fetchall() == [("Bjarne",), ("Edsger",)]


def test_binary_parameters(connection):
    row = connection.execute(
        "SELECT %b::int + 1, %b::text, %b::float8, %b::date, %b::bytea",
        (41, "žluť", 2.5, datetime.date(2024, 2, 29), b"\x00\xff"),
    ).fetchone()
    assert row == (42, "žluť", 2.5, datetime.date(2024, 2, 29), b"\x00\xff")


def test_null_parameter(connection):
    assert connection.execute("SELECT %s::int IS NULL", (None,)).fetchone() == (True,)


def test_prepared_statement_is_reused(connection):
    for id in range(1, 9):
        row = connection.execute("SELECT id FROM employees WHERE id = %s", (id,), prepare=True).fetchone()
        assert row == (id,)


def test_column_description(connection):
    cursor = connection.execute("SELECT id, name, salary, hired, rating, active FROM employees LIMIT 0")
    assert [column.name for column in cursor.description] == ["id", "name", "salary", "hired", "rating", "active"]
    assert [column.type_code for column in cursor.description] == [23, 25, 1700, 1082, 701, 16]
    assert (cursor.description[2].precision, cursor.description[2].scale) == (10, 2)


def test_row_count_and_tag(connection):
    cursor = connection.execute("SELECT * FROM employees")
    assert cursor.rowcount == 12
    assert cursor.statusmessage == "SELECT 12"


def test_pipeline(connection):
    with connection.pipeline():
        first = connection.execute("SELECT 1")
        second = connection.execute("SELECT count(*) FROM employees WHERE id < %s", (4,))
        assert first.fetchone() == (1,)
        assert second.fetchone() == (3,)


def test_error_in_pipeline_aborts_only_the_rest(connection):
    with pytest.raises(psycopg.errors.UndefinedTable):
        with connection.pipeline():
            connection.execute("SELECT * FROM nowhere")
            connection.execute("SELECT 1")
    assert connection.execute("SELECT 2").fetchone() == (2,)


def test_failed_transaction(server):
    with psycopg.connect(server.dsn) as connection:
        with pytest.raises(psycopg.errors.UndefinedColumn) as failure:
            connection.execute("SELECT nothing FROM employees")
        assert failure.value.diag.sqlstate == "42703"
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        connection.rollback()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_settings_belong_to_one_connection(server, connection):
    connection.execute("SET application_name = 'first'")
    with psycopg.connect(server.dsn, application_name="second") as other:
        assert other.execute("SHOW application_name").fetchone() == ("second",)
        assert other.info.parameter_status("application_name") == "second"
    assert connection.execute("SHOW application_name").fetchone() == ("first",)
    connection.execute("RESET application_name")


def test_copy_binary_and_text_agree(connection):
    sql = "COPY (SELECT id, name, salary, hired, rating, active FROM employees ORDER BY id) TO STDOUT"
    kinds = ["int4", "text", "numeric", "date", "float8", "bool"]
    rows = {}
    for format in ("text", "binary"):
        with connection.cursor().copy(f"{sql} (FORMAT {format})") as copy:
            copy.set_types(kinds)
            rows[format] = list(copy.rows())
    assert rows["text"] == rows["binary"]
    assert rows["text"][0] == (1, "Ada", decimal.Decimal("9200.00"), datetime.date(2015, 3, 1), 4.5, True)
    assert len(rows["text"]) == 12


def test_empty_binary_copy_has_header_and_trailer(connection):
    with connection.cursor().copy("COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT binary)") as copy:
        data = b"".join(bytes(part) for part in copy)
    assert data == b"PGCOPY\n\xff\r\n\x00" + bytes(8) + b"\xff\xff"


def test_stream_rows_as_they_come(connection):
    with connection.cursor() as cursor:
        rows = cursor.stream("SELECT l_orderkey FROM lineitem, region")
        for _ in range(1000):
            next(rows)
        rows.close()
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_cancel_from_another_thread(server):
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        threading.Timer(0.5, connection.cancel_safe).start()
        start = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT count(*) FROM lineitem a, lineitem b WHERE a.l_comment || b.l_comment LIKE '%zzqzz%'")
        assert time.monotonic() - start < 5
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_server_side_cursor(connection):
    # psycopg declares a cursor; a server without cursors has to say so, not to hang.
    with connection.transaction():
        try:
            with connection.cursor(name="c") as cursor:
                cursor.execute("SELECT id FROM employees ORDER BY id")
                assert cursor.fetchmany(2) == [(1,), (2,)]
        except psycopg.errors.FeatureNotSupported as error:
            assert error.diag.sqlstate == "0A000"
            raise psycopg.Rollback()
