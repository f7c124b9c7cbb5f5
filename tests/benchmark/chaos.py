"""TPC-H on a cluster whose executors are killed at random moments: every answer must be right.

    tests/benchmark/run chaos --kills 200 --seed 1 --scale 0.1
"""

import argparse
import collections
import pathlib
import random
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))

import answers
import arbalest
import psycopg
from processes import executor, scheduler

QUERIES = sorted((arbalest.REPOSITORY / "tests" / "tpch").glob("q*.sql"))
EXECUTORS = 3
# A query that takes longer has been forgotten.
HANG_SECONDS = 120


class Cluster:
    def __init__(self, directory):
        self.directory = directory
        self.scheduler = scheduler(directory)
        self.url = self.scheduler.url
        self.executors = [self.executor() for _ in range(EXECUTORS)]

    def executor(self):
        return executor(self.directory, self.url, "--work-dir", str(self.directory / "work"), "--memory", "512MiB")

    def kill_one(self, chance):
        """One of the executors dies, and another one starts in its place."""
        position = chance.randrange(EXECUTORS)
        self.executors[position].kill()
        self.executors[position] = self.executor()

    def close(self):
        for process in [*self.executors, self.scheduler]:
            process.kill()


def ask(dsn, mode, sql):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"SET arbalest.execution_mode = '{mode}'")
        connection.execute(f"SET statement_timeout = '{HANG_SECONDS}s'")
        return connection.execute(sql).fetchall()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", default="0.1")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    outcomes = collections.Counter()
    extra = []
    with tempfile.TemporaryDirectory(prefix="arbalest-chaos-") as directory:
        cluster = Cluster(pathlib.Path(directory))
        try:
            with arbalest.Server("--scheduler", cluster.url, "--sample", f"tpch={options.scale}") as server:
                expected, alone = {}, {}
                for query in QUERIES:
                    expected[query] = ask(server.dsn, "local", query.read_text())
                    ask(server.dsn, "distributed", query.read_text())
                    started = time.monotonic()
                    ask(server.dsn, "distributed", query.read_text())
                    alone[query] = time.monotonic() - started
                for kill in range(options.kills):
                    query = QUERIES[kill % len(QUERIES)]
                    timer = threading.Timer(chance.uniform(0, alone[query]), cluster.kill_one, [chance])
                    started = time.monotonic()
                    timer.start()
                    try:
                        rows = ask(server.dsn, "distributed", query.read_text())
                        answers.assert_same_rows(rows, expected[query])
                        outcome = "right"
                    except psycopg.errors.QueryCanceled:
                        outcome = "hang"
                    except psycopg.Error as error:
                        outcome = "error"
                        print(f"kill {kill}, {query.stem}: {error}", flush=True)
                    except AssertionError as error:
                        outcome = "wrong"
                        print(f"kill {kill}, {query.stem}: {error}", flush=True)
                    extra.append(time.monotonic() - started - alone[query])
                    outcomes[outcome] += 1
                    timer.join()
        finally:
            cluster.close()
    print(f"{options.kills} kills, seed {options.seed}, scale {options.scale}: {dict(outcomes)}")
    quantiles = statistics.quantiles(extra, n=20)
    print(f"extra time: median {statistics.median(extra):.1f} s, p95 {quantiles[-1]:.1f} s, most {max(extra):.1f} s")
    return 0 if outcomes["right"] == options.kills else 1


if __name__ == "__main__":
    sys.exit(main())
