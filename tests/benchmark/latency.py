"""The smallest statements over one connection, through libpq, in turns with PostgreSQL 15."""

import statistics
import time

import postgresql15
import psycopg

STATEMENTS = {"SELECT 1": b"SELECT 1", "count over 25 rows": b"SELECT count(*) FROM nation"}
RUNS = 2_000
BLOCK = 100


def measure(server, report):
    cluster = postgresql15.Cluster() if postgresql15.is_installed() else None
    connections = {"arbalest": psycopg.connect(server.dsn, autocommit=True)}
    if cluster:
        connections["PostgreSQL 15"] = psycopg.connect(cluster.dsn, autocommit=True)
        connections["PostgreSQL 15"].execute("CREATE TABLE nation AS SELECT generate_series(1, 25) AS n_nationkey")
    rows = []
    for name, sql in STATEMENTS.items():
        times = {engine: [] for engine in connections}
        for block in range(RUNS // BLOCK + 1):
            for engine, connection in connections.items():
                for _ in range(BLOCK):
                    start = time.perf_counter()
                    result = connection.pgconn.exec_(sql)
                    elapsed = time.perf_counter() - start
                    if result.ntuples != 1:
                        raise RuntimeError(result.error_message)
                    # The first block warms up.
                    if block > 0:
                        times[engine].append(elapsed * 1e3)
        for engine, values in times.items():
            values.sort()
            rows.append([name, engine, f"{statistics.median(values):.3f}", f"{values[len(values) * 99 // 100]:.3f}"])
    report.title("Latency over one connection, milliseconds")
    report.table(["statement", "engine", "p50", "p99"], rows)
    for connection in connections.values():
        connection.close()
    if cluster:
        cluster.close()
