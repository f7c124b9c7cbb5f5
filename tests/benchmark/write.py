"""Writing: CREATE TABLE AS beside DataFusion's COPY TO, a small INSERT, MERGE beside deltalake's."""

import pathlib
import shutil
import statistics
import tempfile
import time

import deltalake
import psycopg
import tpch

RUNS = 3
INSERTS = 40
INSERTED_ROWS = 1_000
# Of the orders, one in a hundred.
CHANGED = "l_orderkey % 100 = 7"
KEYS = ["l_orderkey", "l_linenumber"]


def measure(server, arguments, report):
    files = server.tpch_files()
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        create_table_as(connection, files, arguments, report)
        insert(connection, report)
        merge(server, connection, report)


def timed(work):
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def table(report, title, times):
    yardstick = statistics.median(next(iter(times.values())))
    report.title(title)
    rows = [[name, f"{statistics.median(values):.0f}", f"{statistics.median(values) / yardstick:.2f}"] for name, values in times.items()]
    report.table(["", "ms", "ratio"], rows)


def create_table_as(connection, files, arguments, report):
    times = {"DataFusion, COPY TO": [], "arbalest, local": [], "arbalest, distributed": [], "arbalest, partitioned": []}
    datafusion = tpch.DataFusion({"lineitem": files["lineitem"]}, arguments.threads, [])
    with tempfile.TemporaryDirectory() as directory:
        statement = pathlib.Path(directory) / "copy.sql"
        for run in range(RUNS + 1):
            output = pathlib.Path(directory) / "output"
            # The same compression; DataFusion's own choice takes longer.
            statement.write_text(f"COPY lineitem TO '{output}/' STORED AS PARQUET OPTIONS ('format.compression' 'snappy')")
            results = {"DataFusion, COPY TO": datafusion.run(statement)}
            shutil.rmtree(output)
            for mode in ["local", "distributed"]:
                connection.execute(f"SET arbalest.execution_mode = {mode}")
                results[f"arbalest, {mode}"] = timed(lambda: connection.execute("CREATE OR REPLACE TABLE written AS SELECT * FROM lineitem"))
            connection.execute("RESET arbalest.execution_mode")
            sql = "CREATE OR REPLACE TABLE written_parts PARTITIONED BY (l_shipmode) AS SELECT * FROM lineitem"
            results["arbalest, partitioned"] = timed(lambda: connection.execute(sql))
            # The first run warms up.
            if run > 0:
                for name, milliseconds in results.items():
                    times[name].append(milliseconds)
    datafusion.close()
    table(report, "CREATE TABLE AS SELECT * FROM lineitem", times)


def insert(connection, report):
    connection.execute("CREATE TABLE inserted (a int, b text, c numeric(10,2), d timestamp)")
    values = ", ".join(f"({row}, 'text {row}', {row}.25, '2024-01-01 00:00:00')" for row in range(INSERTED_ROWS))
    times = sorted(timed(lambda: connection.execute(f"INSERT INTO inserted VALUES {values}")) for _ in range(INSERTS))
    report.title(f"INSERT of {INSERTED_ROWS} rows")
    report.table(["", "ms"], [["p50", f"{statistics.median(times):.1f}"], ["p95", f"{times[INSERTS * 95 // 100]:.1f}"]])
    connection.execute("DROP TABLE inserted")


def merge(server, connection, report):
    changes = f"SELECT l_orderkey, l_linenumber, l_quantity + 1 AS l_quantity FROM lineitem WHERE {CHANGED}"
    connection.execute(f"CREATE OR REPLACE TABLE changes AS {changes}")
    times = {"deltalake": [], "arbalest": []}
    newest = max((server.data_directory / "warehouse").glob("changes-*"), key=lambda path: path.stat().st_mtime)
    source = deltalake.DeltaTable(newest).to_pyarrow_table()
    for _ in range(RUNS):
        connection.execute("CREATE OR REPLACE TABLE merged AS SELECT * FROM lineitem")
        sql = f"""
            MERGE INTO merged t USING changes s ON {' AND '.join(f't.{key} = s.{key}' for key in KEYS)}
            WHEN MATCHED THEN UPDATE SET l_quantity = s.l_quantity
        """
        times["arbalest"].append(timed(lambda: connection.execute(sql)))
        connection.execute("CREATE OR REPLACE TABLE merged AS SELECT * FROM lineitem")
        newest = max((server.data_directory / "warehouse").glob("merged-*"), key=lambda path: path.stat().st_mtime)
        target = deltalake.DeltaTable(newest)
        merger = target.merge(
            source, predicate=" AND ".join(f"t.{key} = s.{key}" for key in KEYS), source_alias="s", target_alias="t",
        ).when_matched_update({"l_quantity": "s.l_quantity"})
        times["deltalake"].append(timed(merger.execute))
    table(report, f"MERGE of {source.num_rows} rows into lineitem", times)
    connection.execute("DROP TABLE written, written_parts, merged, changes")
