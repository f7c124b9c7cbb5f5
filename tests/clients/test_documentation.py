"""What README.md and docs/ tell people to type works."""

import re
import subprocess
import sys

import arbalest
import pytest

PAGES = [arbalest.REPOSITORY / "README.md", *sorted((arbalest.REPOSITORY / "docs").glob("*.md"))]
PAGE_NAMES = [page.name for page in PAGES]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def at(server, text):
    """The ports of the server under test in place of the default ones."""
    return text.replace("32010", str(server.flight_port)).replace("5432", str(server.postgres_port))


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_python(server, page):
    for block in blocks(page, "python"):
        command = [sys.executable, "-c", at(server, block)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert result.returncode == 0, result.stderr
        assert result.stdout


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_psql(server, page):
    prompt = "arbalest=> "
    lines = [line.removeprefix(prompt) for line in page.read_text().splitlines() if line.startswith(prompt)]
    command = ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", server.dsn]
    result = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_links(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


def test_flags():
    server = arbalest.binary()
    known = set()
    for command in [server, "serve"], [f"{server}-scheduler"], [f"{server}-executor"]:
        help = subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=30, check=True).stdout
        known |= set(re.findall(r"--[a-z][a-z-]*", help))
    for page in PAGES:
        # Flags of other programs are in blocks, not in running text.
        mentioned = set(re.findall(r"`(--[a-z][a-z-]*)", page.read_text()))
        assert mentioned <= known, page.name


def test_session_settings(server):
    import psycopg

    page = arbalest.REPOSITORY / "docs" / "configuration.md"
    section = page.read_text().split("\n## Session settings\n")[1].split("\n## ")[0]
    names = re.findall(r"^\| `([A-Za-z_.]+)` \|", section, re.MULTILINE)
    assert "arbalest.execution_mode" in names
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        for name in names:
            connection.execute(f"SHOW {name}")
