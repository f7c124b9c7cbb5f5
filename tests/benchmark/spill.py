"""Queries on ten times the memory they may use, beside a server that has all it wants."""

import time

import arbalest
import psycopg
from memory import Peak

# All columns go through the operator, and are used above it.
USED = """sum(length(l_comment) + length(l_shipmode) + length(l_shipinstruct) + length(l_returnflag) + length(l_linestatus)),
    sum(l_quantity), sum(l_extendedprice), sum(l_discount), sum(l_tax), max(l_shipdate), max(l_commitdate), max(l_receiptdate),
    sum(l_orderkey), sum(l_partkey), sum(l_suppkey), sum(l_linenumber)"""
QUERIES = {
    "ORDER BY": "(SELECT * FROM lineitem ORDER BY l_extendedprice, l_comment, l_orderkey OFFSET 1)",
    "ORDER BY … LIMIT": "(SELECT * FROM lineitem ORDER BY l_comment, l_orderkey, l_linenumber LIMIT 5000000)",
    "GROUP BY": "(SELECT l_orderkey, l_linenumber, l_comment, l_shipinstruct, max(l_shipmode) AS m FROM lineitem GROUP BY 1, 2, 3, 4)",
    "DISTINCT": "(SELECT DISTINCT * FROM lineitem)",
    "window": "(SELECT *, sum(l_quantity) OVER (PARTITION BY l_partkey ORDER BY l_shipdate, l_comment) AS s FROM lineitem)",
    "join": "(SELECT a.*, b.l_comment AS m FROM lineitem a JOIN lineitem b USING (l_orderkey, l_linenumber))",
}
# Of a row of lineitem in memory; the pools of server and executor are each half of --memory.
ROW_BYTES = 200
FACTOR = 10


def measure(scale, flags, data_directory, report):
    needed = int(6_000_000 * scale * ROW_BYTES)
    memory = 2 * needed // FACTOR
    with arbalest.Server(*flags, data_directory=data_directory) as server:
        plenty = run(server)
    with arbalest.Server(*flags, "--memory", f"{memory // 2**20}MiB", data_directory=data_directory) as server:
        short = run(server)
    rows = []
    for key, (seconds, answer, _) in plenty.items():
        spilled_seconds, spilled_answer, peak = short[key]
        assert spilled_answer == answer, key
        ratio = f"{spilled_seconds / seconds:.1f}"
        rows.append([*key, f"{seconds:.1f}", f"{spilled_seconds:.1f}", ratio, f"{peak / 2**20:.0f}"])
    report.title(f"All of lineitem, scale {scale:g}, with --memory {memory // 2**20}MiB, half of it for each mode")
    report.table(["query", "mode", "seconds, memory free", "seconds, spilling", "ratio", "highest resident MiB"], rows)


def run(server):
    measured = {}
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        for mode in "local", "distributed":
            connection.execute(f"SET arbalest.execution_mode = {mode}")
            for name, rows in QUERIES.items():
                used = "count(*), sum(length(m)), sum(length(l_comment))" if " AS m" in rows else USED
                used += ", sum(s)" if " AS s" in rows else ""
                start = time.monotonic()
                with Peak(server) as peak:
                    answer = connection.execute(f"SELECT {used} FROM {rows} AS t").fetchall()
                measured[name, mode] = time.monotonic() - start, answer, peak.highest
    return measured
