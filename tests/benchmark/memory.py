"""The server's memory while it sends a large result: it must not depend on the result's size."""

import subprocess
import threading

import adbc_driver_flightsql.dbapi


def measure(server, report):
    rows = []
    for form, send in [("COPY binary", copy), ("Flight SQL", read_flight)]:
        for size, sql in [("a tenth", "l_orderkey % 10 = 0"), ("all", "true")]:
            statement = f"SELECT * FROM lineitem WHERE {sql}"
            before = server.resident_bytes()
            with Peak(server) as peak:
                send(server, statement)
            rows.append([form, size, f"{before / 2**20:.0f}", f"{peak.highest / 2**20:.0f}"])
    report.title("Resident memory of the server, MiB, while it sends rows of lineitem")
    report.table(["protocol", "rows", "before", "highest"], rows)


class Peak:
    """Watches a server's memory from another thread."""

    def __init__(self, server):
        self.server, self.highest, self.ended = server, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.ended.wait(0.02):
            self.highest = max(self.highest, self.server.resident_bytes())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def copy(server, sql):
    command = ["psql", "-X", "-d", server.dsn, "-c", f"COPY ({sql}) TO STDOUT (FORMAT binary)"]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def read_flight(server, sql):
    options = {"username": "tester", "password": ""}
    with adbc_driver_flightsql.dbapi.connect(server.flight_uri, db_kwargs=options, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            for _ in cursor.fetch_record_batch():
                pass
