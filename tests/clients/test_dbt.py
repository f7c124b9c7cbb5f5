"""A dbt project on Arbalest and on PostgreSQL 15: every run leaves the same tables on both."""

import os
import pathlib
import shutil
import subprocess
import sys
import time

import psycopg
import pytest

import postgresql15
from arbalest import Server

PROJECT = pathlib.Path(__file__).parent / "dbt"
SCHEMAS = ("dbt_dev", "dbt_dev_snapshots")
# When a row was seen, and what is made of that.
VOLATILE = {"dbt_updated_at", "dbt_valid_from", "dbt_valid_to", "dbt_scd_id"}

pytestmark = [
    pytest.mark.skipif(not postgresql15.is_installed(), reason="PostgreSQL 15 is not installed"),
    pytest.mark.timeout(600),
]


class Project:
    """A copy of the project that runs on one server."""

    def __init__(self, directory, server):
        self.directory, self.server = directory, server
        shutil.copytree(PROJECT, directory)
        with self.connect() as connection:
            connection.execute("CREATE ROLE reporter")

    def connect(self):
        return psycopg.connect(self.server.dsn, autocommit=True)

    def command(self, *arguments):
        program = pathlib.Path(sys.executable).parent / "dbt"
        return [program, "--no-use-colors", *arguments, "--project-dir", self.directory, "--profiles-dir", self.directory]

    def environment(self):
        own = {"DBT_HOST": self.server.host, "DBT_PORT": str(self.server.postgres_port), "DBT_USER": "tester"}
        return {**os.environ, **own, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}

    def run(self, *arguments):
        done = subprocess.run(self.command(*arguments), env=self.environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def tables(self):
        """Relation → its kind, columns with their types, rows, comments."""
        found = {}
        with self.connect() as connection:
            relations = connection.execute(
                """SELECT n.nspname, c.relname, c.relkind, obj_description(c.oid, 'pg_class'), c.oid
                   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = ANY (%s) AND c.relkind IN ('r', 'v', 'm') ORDER BY 1, 2""",
                [list(SCHEMAS)],
            ).fetchall()
            for schema, name, kind, comment, oid in relations:
                # `numeric` that ALTER TABLE adds has a precision here: docs/limits.md.
                columns = connection.execute(
                    """SELECT attname, CASE WHEN attname = 'weight' THEN format_type(atttypid, NULL) ELSE format_type(atttypid, atttypmod) END, attnotnull, col_description(attrelid, attnum)
                       FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum""",
                    [oid],
                ).fetchall()
                shown = [
                    f'("{column}" IS NULL)' if column in VOLATILE and type_name.startswith("timestamp") else f'"{column}"'
                    for column, type_name, *_ in columns
                    if column != "dbt_scd_id"
                ]
                rows = connection.execute(f'SELECT {", ".join(shown)} FROM "{schema}"."{name}"').fetchall()
                indexes = connection.execute(
                    "SELECT count(*) FROM pg_indexes WHERE schemaname = %s AND tablename = %s", [schema, name]
                ).fetchone()
                grants = connection.execute(
                    """SELECT privilege_type FROM information_schema.role_table_grants
                       WHERE table_schema = %s AND table_name = %s AND grantee = 'reporter'""",
                    [schema, name],
                ).fetchall()
                found[f"{schema}.{name}"] = (kind, comment, columns, sorted(rows, key=repr), indexes, grants)
        return found


@pytest.fixture
def projects(tmp_path):
    cluster = postgresql15.Cluster()
    try:
        with Server(data_directory=tmp_path) as server:
            yield Project(tmp_path / "ours", server), Project(tmp_path / "theirs", cluster)
    finally:
        cluster.close()


def check_equal(projects):
    ours, theirs = (project.tables() for project in projects)
    assert ours.keys() == theirs.keys()
    for relation, expected in theirs.items():
        assert ours[relation] == expected, relation


def test_every_run_leaves_what_it_leaves_on_postgresql(projects):
    for _ in range(2):
        for project in projects:
            project.run("build")
        check_equal(projects)
    # Rows come and go.
    for project in projects:
        orders = project.directory / "seeds" / "raw_orders.csv"
        lines = orders.read_text().splitlines()
        changed = [line.replace("1,1,2018-01-01,returned", "1,1,2018-01-12,completed") for line in lines[:-1]]
        orders.write_text("\n".join([*changed, "9,2,2018-01-13,placed"]) + "\n")
        payments = project.directory / "seeds" / "raw_payments.csv"
        payments.write_text("\n".join(line for line in payments.read_text().splitlines() if not line.startswith(("8,", "9,"))) + "\n")
        project.run("build")
    check_equal(projects)
    # A column comes; then all is made anew.
    for arguments in (["--vars", "extra_column: true"], ["--full-refresh"], ["--full-refresh", "--vars", "extra_column: true"]):
        for project in projects:
            project.run("build", *arguments)
        check_equal(projects)
    for project in projects:
        project.run("docs", "generate")
        assert (project.directory / "target" / "catalog.json").exists()


def test_a_killed_server_in_the_middle_of_a_build(tmp_path):
    cluster = postgresql15.Cluster()
    try:
        theirs = Project(tmp_path / "theirs", cluster)
        theirs.run("build")
        project = None
        for seconds in (3.0, 3.6, 4.2):
            with Server(data_directory=tmp_path) as server:
                if project is None:
                    project = Project(tmp_path / "ours", server)
                project.server = server
                build = subprocess.Popen(project.command("build"), env=project.environment(), stdout=subprocess.DEVNULL)
                time.sleep(seconds)
                server.process.kill()
                build.wait()
        with Server(data_directory=tmp_path) as server:
            project.server = server
            project.run("build", "--full-refresh")
            theirs.run("build", "--full-refresh")
            ours, expected = project.tables(), theirs.tables()
            for relation in expected.keys() - {"dbt_dev.runs", "dbt_dev.hooks"}:
                assert ours[relation][:2] == expected[relation][:2], relation
                if not relation.startswith("dbt_dev_snapshots."):
                    assert ours[relation] == expected[relation], relation
    finally:
        cluster.close()
