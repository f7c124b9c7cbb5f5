"""Clusters of the same cores in another shape, with other directories and stores, side by side.

    tests/benchmark/run cluster --scale 1 --runs 3
    tests/benchmark/run cluster --parts files --files 10000
"""

import argparse
import contextlib
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))

import arbalest
import boto3
import psycopg
import pyarrow
import pyarrow.parquet
from measure import Report
from moto.server import ThreadedMotoServer
from processes import executor, scheduler
from tpch import Psql, in_turns, numbers

PARTS = ["shapes", "files", "s3"]
MEMORY = "2GiB"
# For all of TPC-H at scale 1.
CACHE = "1GiB"


class Cluster:
    """A scheduler, its executors and a server."""

    def __init__(self, stack, locations, executors, vcores, *options, work_directory=None, environment=None):
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arbalest-cluster-")))
        own_scheduler = scheduler(directory)
        stack.callback(own_scheduler.kill)
        for _ in range(executors):
            work = stack.enter_context(tempfile.TemporaryDirectory(prefix="arbalest-work-", dir=work_directory))
            arguments = ["--work-dir", work, "--memory", MEMORY, *options]
            one = executor(directory, own_scheduler.url, *arguments, vcores=vcores, environment=environment)
            stack.callback(one.kill)
        self.server = stack.enter_context(
            arbalest.Server("--scheduler", own_scheduler.url, *locations, environment=environment)
        )

    def session(self, stack):
        session = Psql(self.server, "distributed")
        stack.callback(session.close)
        return session


def compare(sessions, options, title, report):
    """Times of the queries in turns, as a table; the first session is what the others are compared with."""
    rows, totals = in_turns(sessions, options, report)
    first = next(iter(totals.values()))
    rows.append(["ratio", *(f"{total / first:.3f}" for total in totals.values())])
    report.title(f"{title}, median of {options.runs} runs, milliseconds")
    report.table(["query", *sessions], rows)


def tables(files):
    """The directory above those of the tables."""
    return [str(pathlib.Path(files["lineitem"][0]).parents[1])]


def shapes(files, options, report):
    with contextlib.ExitStack() as stack:
        clusters = {
            "one executor, 2 vcores": Cluster(stack, tables(files), 1, 2),
            "two executors, 1 vcore": Cluster(stack, tables(files), 2, 1),
            "one, tmpfs": Cluster(stack, tables(files), 1, 2, work_directory="/dev/shm"),
        }
        sessions = {name: cluster.session(stack) for name, cluster in clusters.items()}
        compare(sessions, options, f"TPC-H scale {options.scale} on clusters", report)


def many_files(options, report):
    """A table of many small files: planned, launched and read in one job."""
    rows = []
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arbalest-files-")))
        (directory / "events").mkdir()
        for number in range(options.files):
            table = pyarrow.table({"id": range(number * 10, number * 10 + 10), "kind": ["a", "b"] * 5})
            pyarrow.parquet.write_table(table, directory / "events" / f"{number:05}.parquet")
        cluster = Cluster(stack, [str(directory)], 2, 1)
        connection = stack.enter_context(psycopg.connect(cluster.server.dsn, autocommit=True))
        query = "SELECT kind, count(*), sum(id) FROM events GROUP BY kind ORDER BY kind"
        half, total = options.files * 5, options.files * 10
        for mode in "distributed", "local":
            connection.execute(f"SET arbalest.execution_mode = {mode}")
            for run in "first", "second":
                start = time.monotonic()
                connection.execute(f"EXPLAIN {query}").fetchall()
                planned = time.monotonic()
                answer = connection.execute(query).fetchall()
                ended = time.monotonic()
                assert [(count, kind) for kind, count, _ in answer] == [(half, "a"), (half, "b")], answer
                assert sum(ids for _, _, ids in answer) == total * (total - 1) // 2, answer
                rows.append([mode, run, f"{planned - start:.2f}", f"{ended - planned:.2f}"])
    report.title(f"A table of {options.files} files, seconds")
    report.table(["mode", "run", "planning (EXPLAIN)", "query, planning included"], rows)


def s3(files, options, report):
    """The first and the second time that a cluster reads a bucket."""
    rows = []
    with contextlib.ExitStack() as stack:
        moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
        moto.start()
        stack.callback(moto.stop)
        host, port = moto.get_host_and_port()
        environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )
        client.create_bucket(Bucket="lake")
        for table, paths in files.items():
            for path in paths:
                client.upload_file(path, "lake", f"tpch/{table}/{pathlib.Path(path).name}")
        cluster = Cluster(stack, ["s3://lake/tpch/"], 1, 2, "--cache-memory", CACHE, environment=environment)
        session = cluster.session(stack)
        totals = {"first": 0.0, "second": 0.0}
        for number in numbers(options.queries):
            path = arbalest.REPOSITORY / "tests" / "tpch" / f"q{number:02}.sql"
            times = {run: session.run(path) for run in totals}
            for run, elapsed in times.items():
                totals[run] += elapsed
            rows.append([f"q{number}", *(f"{elapsed:.0f}" for elapsed in times.values())])
            report.progress("  ".join(rows[-1]))
    rows.append(["total, s", *(f"{total / 1e3:.2f}" for total in totals.values())])
    report.title(f"TPC-H scale {options.scale} from an S3 server (moto), milliseconds")
    report.table(["query", *totals], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="1")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--queries", default="1-22", help="numbers and ranges of TPC-H queries")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    options = parser.parse_args()
    parts, report = options.parts.split(","), Report()
    if "shapes" in parts or "s3" in parts:
        with arbalest.Server("--sample", f"tpch={options.scale}") as sample:
            files = sample.tpch_files()
            if "shapes" in parts:
                shapes(files, options, report)
            if "s3" in parts:
                s3(files, options, report)
    if "files" in parts:
        many_files(options, report)


if __name__ == "__main__":
    main()
