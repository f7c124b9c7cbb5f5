"""One server with the small tables and TPC-H for all client tests."""

import pytest

import arbalest


@pytest.fixture(scope="session")
def server():
    with arbalest.Server(arbalest.LAKE, "--sample", f"tpch={arbalest.TPCH_SCALE}") as server:
        yield server
        assert server.process.poll() is None, "the server died:\n" + server.log()
