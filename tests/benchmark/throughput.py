"""Three million rows of lineitem, all columns: Flight SQL against pyarrow's server, COPY against PostgreSQL's."""

import multiprocessing
import statistics
import subprocess
import time

import adbc_driver_flightsql.dbapi
import postgresql15
import psycopg
import pyarrow.flight as flight

SELECT = "SELECT * FROM lineitem WHERE l_orderkey <= 3000000"
RUNS = 5
PROJECTION = """
    l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber int, l_quantity numeric(15,2),
    l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2), l_returnflag text, l_linestatus text,
    l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct text, l_shipmode text, l_comment text
"""


class InMemory(flight.FlightServerBase):
    def __init__(self, table):
        super().__init__("grpc://127.0.0.1:0")
        self.table = table

    def do_get(self, context, ticket):
        return flight.RecordBatchStream(self.table)


def serve(connection):
    server = InMemory(connection.recv())
    connection.send(server.port)
    server.serve()


def measure(server, report):
    flight_rates(server, report)
    copy_rates(server, report)


def flight_rates(server, report):
    options = {"username": "tester", "password": ""}
    rates = {"arbalest, ADBC": [], "pyarrow server in memory, pyarrow": [], "arbalest, pyarrow": []}
    with adbc_driver_flightsql.dbapi.connect(server.flight_uri, db_kwargs=options, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(SELECT)
            table = cursor.fetch_arrow_table()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs,), daemon=True)
        process.start()
        ours.send(table)
        client = flight.connect(f"grpc://127.0.0.1:{ours.recv()}")
        bearer = flight.connect(server.flight_uri)
        call = flight.FlightCallOptions(headers=[bearer.authenticate_basic_token("tester", "")])
        for _ in range(RUNS):
            start = time.perf_counter()
            info = bearer.get_flight_info(statement(SELECT), call)
            rows = drain(bearer.do_get(info.endpoints[0].ticket, call))
            rates["arbalest, pyarrow"].append(table.nbytes / (time.perf_counter() - start) / 1e6)
            assert rows == table.num_rows
            start = time.perf_counter()
            rows = drain(client.do_get(flight.Ticket(b"")))
            rates["pyarrow server in memory, pyarrow"].append(table.nbytes / (time.perf_counter() - start) / 1e6)
            assert rows == table.num_rows
        # Not in turns with the others: its runtime collects garbage in this process for a while.
        for _ in range(RUNS):
            with connection.cursor() as cursor:
                start = time.perf_counter()
                cursor.execute(SELECT)
                rows = sum(batch.num_rows for batch in cursor.fetch_record_batch())
                rates["arbalest, ADBC"].append(table.nbytes / (time.perf_counter() - start) / 1e6)
                assert rows == table.num_rows
        process.terminate()
    yardstick = statistics.median(rates["pyarrow server in memory, pyarrow"])
    report.title(f"Flight: {table.num_rows / 1e6:.2f} million rows of lineitem, {table.nbytes / 1e6:.0f} MB as Arrow")
    report.table(
        ["server, client", "MB/s", "ratio"],
        [[name, f"{statistics.median(values):.0f}", f"{statistics.median(values) / yardstick:.2f}"] for name, values in rates.items()],
    )


def drain(reader):
    rows = 0
    while True:
        try:
            rows += reader.read_chunk().data.num_rows
        except StopIteration:
            return rows


def statement(sql):
    """CommandStatementQuery as a descriptor."""

    def varint(number):
        out = b""
        while number > 0x7F:
            out += bytes([number & 0x7F | 0x80])
            number >>= 7
        return out + bytes([number])

    def field(number, data):
        return varint(number << 3 | 2) + varint(len(data)) + data

    url = b"type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery"
    return flight.FlightDescriptor.for_command(field(1, url) + field(2, field(1, sql.encode())))


def copy_rates(server, report):
    dsns = {"arbalest": server.dsn}
    cluster = None
    if postgresql15.is_installed():
        cluster = postgresql15.Cluster()
        dsns["PostgreSQL 15"] = cluster.dsn
        with psycopg.connect(cluster.dsn, autocommit=True) as connection:
            connection.execute(f"CREATE TABLE lineitem ({PROJECTION})")
        out = subprocess.Popen(["psql", "-X", "-d", server.dsn, "-c", f"COPY ({SELECT}) TO STDOUT"], stdout=subprocess.PIPE)
        subprocess.run(["psql", "-X", "-d", cluster.dsn, "-c", "COPY lineitem FROM STDIN"], stdin=out.stdout, check=True, stdout=subprocess.DEVNULL)
        out.wait()
    forms = {
        "COPY binary": f"COPY ({SELECT}) TO STDOUT (FORMAT binary)",
        "COPY text": f"COPY ({SELECT}) TO STDOUT",
        "SELECT": SELECT,
    }
    rows = []
    for form, sql in forms.items():
        rates = {name: [] for name in dsns}
        size = None
        for run in range(RUNS + 1):
            for name, dsn in dsns.items():
                command = ["psql", "-X", "-A", "-t", "-v", "FETCH_COUNT=0", "-d", dsn, "-c", sql]
                if size is None:
                    size = int(subprocess.run(f"psql -X -A -t -d '{dsn}' -c '{sql}' | wc -c", shell=True, capture_output=True, text=True, check=True).stdout)
                start = time.perf_counter()
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                if run > 0:
                    rates[name].append(size / (time.perf_counter() - start) / 1e6)
        medians = {name: statistics.median(values) for name, values in rates.items()}
        yardstick = medians.get("PostgreSQL 15")
        for name, rate in medians.items():
            rows.append([form, name, f"{size / 1e6:.0f}", f"{rate:.0f}", f"{rate / yardstick:.2f}" if yardstick else ""])
    report.title("The same rows through psql")
    report.table(["statement", "server", "MB", "MB/s", "ratio"], rows)
    if cluster:
        cluster.close()
