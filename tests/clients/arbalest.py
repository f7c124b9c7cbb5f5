"""A real `arbalest` process for a test: started on free ports, ended by its process id."""

import os
import pathlib
import subprocess
import tempfile
import threading

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
LAKE = REPOSITORY / "tests" / "data" / "lake"
# Small enough for every protocol and mode, large enough that all 22 queries have an answer.
TPCH_SCALE = "0.02"
READY_SECONDS = 120


def binary():
    target = os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")
    return pathlib.Path(target) / "release" / "arbalest"


class Server:
    """`with Server("data/") as server:` … `server.postgres_port`, `server.flight_uri`."""

    def __init__(self, *arguments, data_directory=None, environment=None):
        self._temporary = tempfile.TemporaryDirectory(prefix="arbalest-test-")
        self.data_directory = pathlib.Path(data_directory or self._temporary.name) / "data"
        self._log_path = pathlib.Path(self._temporary.name) / "stderr"
        ports = ["--postgres-port", "0", "--flight-port", "0", "--web-port", "0"]
        command = [binary(), "serve", *ports, "--data-dir", self.data_directory, *arguments]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ARBALEST_")}
        with open(self._log_path, "wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**inherited, **(environment or {})},
                cwd=self._temporary.name,
                text=True,
            )
        # A server that never becomes ready is ended, which ends the wait for its line.
        alarm = threading.Timer(READY_SECONDS, self.process.kill)
        alarm.start()
        self.ready_line = self.process.stdout.readline().strip()
        alarm.cancel()
        if not self.ready_line.startswith("ready "):
            log = self.log()
            self.close()
            raise RuntimeError(f"arbalest did not become ready: {self.ready_line!r}\n{log}")
        addresses = dict(word.split("=") for word in self.ready_line.split()[1:])
        self.host = addresses["postgres"].rsplit(":", 1)[0]
        self.postgres_port = int(addresses["postgres"].rsplit(":", 1)[1])
        self.flight_port = int(addresses["flight"].rsplit(":", 1)[1])
        self.web_address = addresses["web"]
        self.flight_uri = f"grpc://{self.host}:{self.flight_port}"

    @property
    def pid(self):
        return self.process.pid

    @property
    def dsn(self):
        return f"host={self.host} port={self.postgres_port} user=tester dbname=arbalest"

    def log(self):
        return self._log_path.read_text(errors="replace")

    def resident_bytes(self):
        """Resident memory now."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("the server has ended")

    def tpch_files(self):
        """Table name → the Parquet files that `--sample tpch` wrote."""
        files = {}
        for path in sorted((self.data_directory / "sample").rglob("*.parquet")):
            table = path.stem if path.stem in TPCH_TABLES else path.parent.name
            files.setdefault(table, []).append(str(path))
        return {table: files[table] for table in TPCH_TABLES}

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self._temporary.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


TPCH_TABLES = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]


def tpch_query(number):
    return (REPOSITORY / "tests" / "tpch" / f"q{number:02}.sql").read_text()
