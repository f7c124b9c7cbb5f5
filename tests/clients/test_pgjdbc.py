"""pgjdbc: `pgjdbc/Check.java`, run by the Java that is there."""

import pathlib
import shutil
import subprocess

import pytest

from arbalest import Server

DRIVER = pathlib.Path("/usr/share/java/postgresql.jar")
PROGRAM = pathlib.Path(__file__).parent / "pgjdbc" / "Check.java"


@pytest.mark.skipif(shutil.which("javac") is None or not DRIVER.exists(), reason="Java or its PostgreSQL driver is not installed")
@pytest.mark.timeout(300)
def test_java_programs_get_what_they_expect():
    with Server() as server:
        url = f"jdbc:postgresql://{server.host}:{server.postgres_port}/arbalest"
        ended = subprocess.run(["java", "-cp", DRIVER, PROGRAM, url], capture_output=True, text=True, timeout=280)
        assert ended.returncode == 0, ended.stdout + ended.stderr
