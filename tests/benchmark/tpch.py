"""TPC-H: each query on each engine in turn, so that all meet the same machine."""

import os
import pathlib
import statistics
import subprocess
import time

import arbalest
import duckdb

ENGINES = ["auto", "local", "distributed", "datafusion", "duckdb"]

# The best options found for DataFusion 55.2 over these files; README.md has the measurements.
DATAFUSION_OPTIONS = [
    "datafusion.execution.parquet.pushdown_filters=true",
    "datafusion.execution.batch_size=16384",
    "datafusion.optimizer.hash_join_single_partition_threshold=134217728",
    "datafusion.optimizer.hash_join_single_partition_threshold_rows=5000000",
]


class Psql:
    """One psql connection, timed by psql itself: from sending the text to having all rows."""

    def __init__(self, server, mode):
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", server.dsn]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.say(f"SET arbalest.execution_mode = '{mode}';\n\\timing on\n\\o /dev/null\n")

    def say(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def run(self, path):
        # psql runs what is left of a file at its end.
        self.say(f"\\i {path}\n")
        for line in self.process.stdout:
            if line.startswith("Time: "):
                return float(line.split()[1])
        raise RuntimeError(f"psql ended: {path}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class DataFusion:
    """DataFusion alone, in its own process with the same threads."""

    def __init__(self, files, threads, options):
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", arbalest.REPOSITORY / "target"))
        program = target / "release" / "examples" / "datafusion_benchmark"
        tables = [f"{table}={pathlib.Path(paths[0]).parent if len(paths) > 1 else paths[0]}" for table, paths in files.items()]
        command = [program, str(threads), *tables, "--", *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the DataFusion process ended")
        return line

    def run(self, path):
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        return float(self.answer().split()[0])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class DuckDb:
    """DuckDB in this process."""

    def __init__(self, files, threads):
        self.connection = duckdb.connect(config={"threads": threads})
        for table, paths in files.items():
            self.connection.read_parquet(paths).create_view(table)

    def run(self, path):
        sql = pathlib.Path(path).read_text()
        start = time.perf_counter()
        self.connection.execute(sql).fetchall()
        return (time.perf_counter() - start) * 1e3

    def close(self):
        self.connection.close()


def numbers(text):
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def in_turns(engines, arguments, report):
    """Median times of the queries on each engine, query by query, as rows of a table, and their totals in milliseconds."""
    rows, totals = [], dict.fromkeys(engines, 0.0)
    for number in numbers(arguments.queries):
        path = arbalest.REPOSITORY / "tests" / "tpch" / f"q{number:02}.sql"
        times = {name: [] for name in engines}
        # The first run warms page cache, footers and statistics, and is not counted.
        for run in range(arguments.runs + 1):
            for name, engine in engines.items():
                elapsed = engine.run(path)
                if run > 0 or arguments.runs == 0:
                    times[name].append(elapsed)
        medians = {name: statistics.median(values) for name, values in times.items()}
        for name in engines:
            totals[name] += medians[name]
        rows.append([f"q{number}", *(f"{medians[name]:.0f}" for name in engines)])
        report.progress("  ".join(rows[-1]))
    rows.append(["total, s", *(f"{total / 1e3:.2f}" for total in totals.values())])
    return rows, totals


def measure(server, scale, arguments, report):
    files = server.tpch_files()
    options = DATAFUSION_OPTIONS if arguments.datafusion is None else arguments.datafusion
    makers = {
        "auto": lambda: Psql(server, "auto"),
        "local": lambda: Psql(server, "local"),
        "distributed": lambda: Psql(server, "distributed"),
        "datafusion": lambda: DataFusion(files, arguments.threads, options),
        "duckdb": lambda: DuckDb(files, arguments.threads),
    }
    names = arguments.engines.split(",")
    engines = {name: makers[name]() for name in names}
    rows, totals = in_turns(engines, arguments, report)
    for engine in engines.values():
        engine.close()
    report.title(f"TPC-H scale {scale:g}, {arguments.threads} threads, median of {arguments.runs} runs, milliseconds")
    report.table(["query", *names], rows)
    ratios = [("auto", "datafusion"), ("local", "datafusion"), ("distributed", "local"), ("auto", "duckdb")]
    for above, below in ratios:
        if above in totals and below in totals:
            print(f"\n{above} / {below}: {totals[above] / totals[below]:.3f}")
