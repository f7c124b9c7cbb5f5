"""ADBC's Flight SQL driver: queries, parameters, metadata, cancel."""

import datetime
import decimal
import threading
import time

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi
import adbc_driver_manager
import pyarrow as pa
import pytest


def connect(server, **options):
    credentials = {"username": "tester", "password": ""}
    return adbc_driver_flightsql.dbapi.connect(server.flight_uri, db_kwargs={**credentials, **options}, autocommit=True)


@pytest.fixture(scope="module")
def connection(server):
    with connect(server) as connection:
        yield connection


def test_rows(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, name, salary, hired, rating, active FROM employees WHERE id = 2")
        assert cursor.fetchall() == [(2, "Bjarne", decimal.Decimal("8100.50"), datetime.date(2016, 7, 15), 4.25, True)]


def test_arrow_table(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, name, salary, hired, rating, active FROM employees ORDER BY id")
        table = cursor.fetch_arrow_table()
    assert table.num_rows == 12
    assert table.schema.names == ["id", "name", "salary", "hired", "rating", "active"]
    assert table.schema.types == [
        pa.int32(), pa.string(), pa.decimal128(10, 2), pa.date32(), pa.float64(), pa.bool_()
    ]
    assert table["name"].to_pylist()[:3] == ["Ada", "Bjarne", "Chloé"]


def test_all_types(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM types ORDER BY id")
        table = cursor.fetch_arrow_table()
    assert table.num_rows == 5
    assert table["labels"].to_pylist()[2] == ["", "NULL", "with space", 'a"b', "c\\d", "{}", None]
    assert table["instant"].to_pylist()[3] == datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    assert all(column[4].as_py() is None for column in table.columns[1:])


def test_empty_result_has_a_schema(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, name FROM employees WHERE id > 1000")
        table = cursor.fetch_arrow_table()
    assert table.num_rows == 0
    assert table.schema.names == ["id", "name"]


def test_parameters(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM employees WHERE id > ? AND department = ? ORDER BY id", (1, "ENG"))
        assert cursor.fetchall() == [("Bjarne",), ("Edsger",), ("Linus",)]
        cursor.execute("SELECT name FROM employees WHERE id = $1", (6,))
        assert cursor.fetchall() == [("Frances",)]


def test_same_statement_with_other_parameters(connection):
    with connection.cursor() as cursor:
        for id, name in ((1, "Ada"), (7, "Grace"), (10, "José")):
            cursor.execute("SELECT name FROM employees WHERE id = ?", (id,))
            assert cursor.fetchall() == [(name,)]


def test_null_parameter(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM employees WHERE department IS NOT DISTINCT FROM ?", (None,))
        assert cursor.fetchall() == [(1,)]


def test_wrong_number_of_parameters(connection):
    with connection.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.Error):
            cursor.execute("SELECT name FROM employees WHERE id = ?", (1, 2))


def test_objects(connection):
    catalogs = connection.adbc_get_objects(depth="columns", table_name_filter="employees").read_all().to_pylist()
    assert [catalog["catalog_name"] for catalog in catalogs] == ["arbalest"]
    [schema] = [schema for schema in catalogs[0]["catalog_db_schemas"] if schema["db_schema_tables"]]
    assert schema["db_schema_name"] == "public"
    [table] = schema["db_schema_tables"]
    assert (table["table_name"], table["table_type"]) == ("employees", "TABLE")
    assert [column["column_name"] for column in table["table_columns"]][:3] == ["id", "name", "department"]


def test_table_types(connection):
    assert "TABLE" in connection.adbc_get_table_types()


def test_table_schema(connection):
    schema = connection.adbc_get_table_schema("employees")
    assert schema.names == ["id", "name", "department", "manager_id", "salary", "hired", "rating", "active"]
    assert schema.field("salary").type == pa.decimal128(10, 2)


def test_driver_info(connection):
    info = connection.adbc_get_info()
    assert "rbalest" in info["vendor_name"]


def test_settings_need_no_fetch(connection):
    # Cookies are off by default in this driver: the session is the one of the handshake's token.
    with connection.cursor() as cursor:
        cursor.execute("SET arbalest.execution_mode = 'distributed'")
        cursor.execute("SHOW arbalest.execution_mode")
        assert cursor.fetchall() == [("distributed",)]
        cursor.execute("RESET arbalest.execution_mode")


def test_sessions_are_apart(server, connection):
    with connection.cursor() as cursor:
        cursor.execute("SET arbalest.execution_mode = 'local'")
    with connect(server) as other, other.cursor() as cursor:
        cursor.execute("SHOW arbalest.execution_mode")
        assert cursor.fetchall() == [("auto",)]
    with connection.cursor() as cursor:
        cursor.execute("RESET arbalest.execution_mode")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELEC 1", "SELEC"),
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELECT nothing FROM employees", "nothing"),
        ("SELECT 1 / 0", "zero"),
    ],
)
def test_errors(connection, sql, message):
    with connection.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.Error) as failure:
            cursor.execute(sql)
            cursor.fetchall()
        assert message in str(failure.value)
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]


def test_cancel(server):
    with connect(server) as connection, connection.cursor() as cursor:
        timer = threading.Timer(1.0, cursor.adbc_cancel)
        timer.start()
        start = time.monotonic()
        with pytest.raises(adbc_driver_manager.Error):
            cursor.execute("SELECT count(*) FROM lineitem a, lineitem b WHERE a.l_comment || b.l_comment LIKE '%zzqzz%'")
            cursor.fetchall()
        assert time.monotonic() - start < 10


def test_read_part_of_a_large_result(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT a.* FROM lineitem a, region")
        reader = cursor.fetch_record_batch()
        assert reader.read_next_batch().num_rows > 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]
