"""Schedulers and executors as processes of their own."""

import os
import subprocess
import time

import arbalest


class Process:
    """A scheduler or an executor, ended by its process id."""

    def __init__(self, name, directory, *arguments, environment=None):
        binary = arbalest.binary().with_name(name)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ARBALEST_")}
        self.log = open(directory / f"{name}-{time.monotonic_ns()}.log", "wb")
        self.process = subprocess.Popen(
            [str(binary), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env={**inherited, **(environment or {})},
            cwd=directory,
            text=True,
        )
        line = self.process.stdout.readline().strip()
        if not line.startswith("ready "):
            raise RuntimeError(f"{name} did not become ready: {line!r}")
        self.addresses = dict(word.split("=") for word in line.split()[1:])

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    @property
    def url(self):
        """Of a scheduler."""
        return f"http://{self.addresses['scheduler']}"


def scheduler(directory):
    return Process("arbalest-scheduler", directory, "--port", "0", "--web-port", "0")


def executor(directory, url, *arguments, vcores=1, environment=None):
    arguments = ["--scheduler", url, "--vcores", str(vcores), *arguments]
    return Process("arbalest-executor", directory, *arguments, environment=environment)
