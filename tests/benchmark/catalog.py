"""A catalog of ten thousand tables: what listing a schema takes."""

import statistics
import time

import psycopg

TABLES = 10_000
COLUMNS = 50
PER_TRANSACTION = 500
RUNS = 5
# As clients ask: psql's \d, JDBC's getColumns, dbt, and whoever follows the standard.
QUERIES = {
    "information_schema.tables": "SELECT table_name FROM information_schema.tables WHERE table_schema = 'many'",
    "information_schema.columns": "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'many'",
    "pg_class": "SELECT c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'many'",
    "pg_attribute": """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'many' AND a.attnum > 0""",
    "SHOW TABLES": "SHOW TABLES IN many",
}


def measure(server, report):
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA many")
        columns = ", ".join(f"column_{number} int" for number in range(COLUMNS))
        start = time.perf_counter()
        for first in range(0, TABLES, PER_TRANSACTION):
            with connection.transaction():
                for number in range(first, first + PER_TRANSACTION):
                    connection.execute(f"CREATE TABLE many.table_{number:05} ({columns})")
        made = time.perf_counter() - start
        rows = []
        for name, query in QUERIES.items():
            times, count = [], 0
            for _ in range(RUNS):
                start = time.perf_counter()
                count = len(connection.execute(query).fetchall())
                times.append((time.perf_counter() - start) * 1e3)
            rows.append([name, count, f"{statistics.median(times):.0f}"])
        report.title(f"{TABLES} tables of {COLUMNS} columns in a schema, made in {made:.0f} s")
        report.table(["", "rows", "ms"], rows)
        connection.execute("DROP SCHEMA many CASCADE")
