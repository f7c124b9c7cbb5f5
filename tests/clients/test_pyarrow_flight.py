"""pyarrow.flight with hand-made Flight SQL commands: what any Arrow client sends."""

import pyarrow as pa
import pyarrow.flight as flight
import pytest

import arbalest


def varint(number):
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, data):
    """A length-delimited protobuf field."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def command(name, body=b""):
    url = f"type.googleapis.com/arrow.flight.protocol.sql.{name}"
    return flight.FlightDescriptor.for_command(field(1, url.encode()) + field(2, body))


def query(sql):
    return command("CommandStatementQuery", field(1, sql.encode()))


@pytest.fixture(scope="module")
def client(server):
    with flight.connect(server.flight_uri) as client:
        yield client


@pytest.fixture(scope="module")
def options(client):
    return flight.FlightCallOptions(headers=[client.authenticate_basic_token("tester", "")], timeout=60)


def read(client, options, descriptor):
    info = client.get_flight_info(descriptor, options)
    assert len(info.endpoints) == 1
    return info, client.do_get(info.endpoints[0].ticket, options).read_all()


def test_query(client, options):
    info, table = read(client, options, query("SELECT id, name FROM employees ORDER BY id"))
    assert table.schema.names == ["id", "name"]
    assert table["id"].to_pylist() == list(range(1, 13))
    assert info.schema.equals(table.schema)


@pytest.mark.parametrize("mode", ["local", "distributed"])
def test_promised_schema_is_sent(client, options, mode):
    read(client, options, query(f"SET arbalest.execution_mode = '{mode}'"))
    for number in range(1, 23):
        info, table = read(client, options, query(arbalest.tpch_query(number)))
        assert info.schema.equals(table.schema), f"q{number}"
    read(client, options, query("RESET arbalest.execution_mode"))


def test_whole_table(client, options, server):
    import pyarrow.parquet as pq

    files = server.tpch_files()["lineitem"]
    expected = pa.concat_tables([pq.read_table(file) for file in files])
    _, table = read(client, options, query("SELECT * FROM lineitem"))
    assert table.schema.names == expected.schema.names
    keys = [("l_orderkey", "ascending"), ("l_linenumber", "ascending")]
    assert table.sort_by(keys).equals(expected.cast(table.schema).sort_by(keys))


def test_catalogs(client, options):
    _, table = read(client, options, command("CommandGetCatalogs"))
    assert table.to_pydict() == {"catalog_name": ["arbalest"]}


def test_schemas(client, options):
    _, table = read(client, options, command("CommandGetDbSchemas"))
    assert table.schema.names == ["catalog_name", "db_schema_name"]
    assert "public" in table["db_schema_name"].to_pylist()


def test_tables(client, options):
    _, table = read(client, options, command("CommandGetTables", field(3, b"part%") + varint(5 << 3) + b"\x01"))
    assert table.schema.names == ["catalog_name", "db_schema_name", "table_name", "table_type", "table_schema"]
    assert table["table_name"].to_pylist() == ["part", "partsupp"]
    schema = pa.ipc.read_schema(pa.py_buffer(table["table_schema"][0].as_py()))
    assert schema.names[:2] == ["p_partkey", "p_name"]


def test_sql_info(client, options):
    _, table = read(client, options, command("CommandGetSqlInfo"))
    info = {row["info_name"]: row["value"] for row in table.to_pylist()}
    assert "rbalest" in info[0]


def test_unknown_command(client, options):
    # pyarrow maps some statuses to errors of Flight and others to those of Arrow.
    refused = (flight.FlightError, pa.ArrowException)
    with pytest.raises(refused):
        client.get_flight_info(command("CommandNobodyKnows"), options)
    with pytest.raises(refused):
        client.get_flight_info(flight.FlightDescriptor.for_command(b"\xff\xff\xff"), options)
    with pytest.raises(refused):
        client.get_flight_info(flight.FlightDescriptor.for_path("employees"), options)


def test_forged_ticket(client, options):
    for ticket in (b"", b"\x00", b"0" * 100, b'{"query": "SELECT 1"}'):
        with pytest.raises((flight.FlightError, pa.ArrowException)):
            client.do_get(flight.Ticket(ticket), options).read_all()


def test_prepared_statement_without_parameters(client, options):
    request = field(1, b"SELECT count(*) AS n FROM employees")
    url = b"type.googleapis.com/arrow.flight.protocol.sql.ActionCreatePreparedStatementRequest"
    action = flight.Action("CreatePreparedStatement", field(1, url) + field(2, request))
    [result] = list(client.do_action(action, options))
    assert result.body.to_pybytes()
