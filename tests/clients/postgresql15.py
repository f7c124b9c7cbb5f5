"""A throw-away PostgreSQL 15 that holds the tables of tests/data, to compare bytes with."""

import os
import pathlib
import socket
import subprocess
import tempfile
import time

import arbalest

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")


def is_installed():
    return (PROGRAMS / "initdb").exists()


class Cluster:
    def __init__(self):
        self._temporary = tempfile.TemporaryDirectory(prefix="arbalest-postgresql-")
        directory = pathlib.Path(self._temporary.name)
        directory.chmod(0o755)
        files = directory / "cluster"
        files.mkdir()
        # initdb and postgres refuse to run as root.
        account = {}
        if os.getuid() == 0:
            import pwd

            entry = pwd.getpwnam("postgres")
            os.chown(files, entry.pw_uid, entry.pw_gid)
            account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        initdb = ["--auth=trust", "--username=tester", "--no-sync", "--encoding=UTF8", "--locale=C", "-D", files]
        subprocess.run([PROGRAMS / "initdb", *initdb], check=True, stdout=subprocess.DEVNULL, cwd="/", **account)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.postgres_port = probe.getsockname()[1]
        self.host = "127.0.0.1"
        settings = ["-p", str(self.postgres_port), "-k", "", "-c", "fsync=off", "-c", "timezone=UTC"]
        self.process = subprocess.Popen(
            [PROGRAMS / "postgres", "-D", files, *settings],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **account,
        )
        deadline = time.monotonic() + 60
        while self._psql("postgres", "-c", "CREATE DATABASE arbalest").returncode != 0:
            if time.monotonic() > deadline:
                self.close()
                raise RuntimeError("PostgreSQL does not accept connections")
            time.sleep(0.1)
        script = arbalest.REPOSITORY / "tests" / "data" / "postgresql.sql"
        self._psql("arbalest", "-f", script).check_returncode()

    @property
    def dsn(self):
        return f"host={self.host} port={self.postgres_port} user=tester dbname=arbalest"

    def _psql(self, database, *options):
        address = ["-h", self.host, "-p", str(self.postgres_port), "-U", "tester", "-d", database]
        command = [PROGRAMS / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *address, *options]
        return subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def close(self):
        # An immediate shutdown takes the postmaster's children along.
        self.process.send_signal(3)
        self.process.wait()
        self._temporary.cleanup()
