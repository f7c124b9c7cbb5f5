"""psql as people use it: meta-commands, timing, \\copy, exit codes."""

import re
import subprocess

import pytest


@pytest.fixture(scope="module")
def psql(server):
    """Runs psql with standard input; returns what it printed."""

    def run(text, *options, fails=False):
        command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", server.dsn, *options]
        result = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
        assert (result.returncode != 0) == fails, result.stderr
        return result.stderr if fails else result.stdout

    return run


def test_version_matches_the_client(psql):
    # psql warns about a server of another major version.
    assert "WARNING" not in psql("SELECT 1;")
    assert psql("SHOW server_version;", "-At").startswith("15.")


def test_aligned_output(psql):
    assert psql("SELECT id, name FROM employees ORDER BY id LIMIT 2;").splitlines() == [
        " id |  name  ",
        "----+--------",
        "  1 | Ada",
        "  2 | Bjarne",
        "(2 rows)",
        "",
    ]


def test_list_databases(psql):
    names = [line.split("|")[0] for line in psql("\\l", "-At").splitlines()]
    assert "arbalest" in names


def test_list_schemas(psql):
    names = [line.split("|")[0] for line in psql("\\dn", "-At").splitlines()]
    assert names == ["public"]


@pytest.mark.parametrize("command", ["\\d", "\\dt"])
def test_list_tables(psql, command):
    rows = [line.split("|") for line in psql(command, "-At").splitlines()]
    assert all(row[0] == "public" and row[2] == "table" for row in rows)
    names = {row[1] for row in rows}
    assert {"lineitem", "nation", "employees", "departments", "orders", "events", "visits", "Sales 2024"} <= names


def test_list_tables_by_pattern(psql):
    rows = [line.split("|")[1] for line in psql("\\dt *ations", "-At").splitlines()]
    assert rows == []
    rows = [line.split("|")[1] for line in psql("\\dt part*", "-At").splitlines()]
    assert rows == ["part", "partsupp"]


def test_describe_table(psql):
    rows = [line.split("|")[:2] for line in psql("\\d lineitem", "-At").splitlines()]
    assert rows[:2] == [["l_orderkey", "bigint"], ["l_partkey", "bigint"]]
    kinds = dict(rows)
    assert kinds["l_quantity"] == "numeric(15,2)"
    assert kinds["l_shipdate"] == "date"
    assert kinds["l_comment"] in ("text", "character varying")
    assert len(rows) == 16


def test_describe_quoted_table(psql):
    rows = [line.split("|")[:2] for line in psql('\\d "Sales 2024"', "-At").splitlines()]
    assert rows == [["Region", "text"], ["select", "bigint"], ["two words", "double precision"]]


def test_describe_missing_table(psql):
    assert "Did not find any relation named" in psql("\\unset QUIET\n\\d nothing\n", "-At", fails=True)


def test_describe_partition_columns(psql):
    names = [line.split("|")[0] for line in psql("\\d events", "-At").splitlines()]
    assert names == ["id", "kind", "points", "year", "month"]


def test_timing(psql):
    assert re.search(r"^Time: \d+\.\d+ ms", psql("\\timing on\nSELECT count(*) FROM nation;"), re.MULTILINE)


def test_copy_to_csv(psql, tmp_path):
    path = tmp_path / "out.csv"
    psql(f"\\copy (SELECT id, name, salary, note FROM employees LEFT JOIN orders USING (id) ORDER BY id LIMIT 2) TO '{path}' WITH (FORMAT csv, HEADER)\n")
    assert path.read_text() == "id,name,salary,note\n1,Ada,9200.00,\n2,Bjarne,8100.50,\n"


def test_copy_to_text(psql, tmp_path):
    path = tmp_path / "out.txt"
    psql(f"\\copy (SELECT id, words FROM types WHERE id IN (2, 3, 5) ORDER BY id) TO '{path}'\n")
    assert path.read_text() == "2\t\n3\tquote \" comma , brace { back \\\\ tab\\there\n5\t\\N\n"


def test_copy_of_everything(psql, tmp_path):
    path = tmp_path / "out.tbl"
    psql(f"\\copy (SELECT * FROM orders) TO '{path}'\n")
    assert len(path.read_text().splitlines()) == 7


def test_error_has_position_and_hint(psql):
    message = psql("SELECT nam FROM employees;", fails=True)
    assert 'column "nam" does not exist' in message
    assert re.search(r'HINT:.*name', message)
    assert re.search(r"^LINE 1: SELECT nam FROM employees;\n\s+\^", message, re.MULTILINE)


def test_syntax_error_has_position(psql):
    message = psql("SELECT 1,\n  2 FRM employees x y;", fails=True)
    assert re.search(r"^LINE 2: .*\n\s+\^", message, re.MULTILINE)


def test_several_statements_in_one_string(psql):
    assert psql("", "-At", "-c", "SELECT 1; SELECT 2;").split() == ["1", "2"]


def test_variables_and_gdesc(psql):
    assert psql("SELECT id, name, salary FROM employees \\gdesc\n", "-At").splitlines() == [
        "id|integer",
        "name|text",
        "salary|numeric(10,2)",
    ]


def test_gset(psql):
    assert psql("SELECT 42 AS answer \\gset\n\\echo :answer\n") == "42\n"


def test_explain_says_where(psql):
    lines = psql("EXPLAIN SELECT count(*) FROM lineitem;", "-At").splitlines()
    assert re.fullmatch(r"Execution: (local|distributed) \(.+\)", lines[-1])
