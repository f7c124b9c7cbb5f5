"""asyncpg: extended protocol, always binary, type introspection, server-side paging."""

import asyncio
import datetime
import decimal

import asyncpg
import pytest


def run(server, work):
    async def main():
        connection = await asyncpg.connect(
            host=server.host, port=server.postgres_port, user="tester", database="arbalest", timeout=30
        )
        try:
            return await work(connection)
        finally:
            await connection.close(timeout=10)

    return asyncio.run(main())


def test_rows(server):
    async def work(connection):
        row = await connection.fetchrow("SELECT * FROM employees WHERE id = $1", 2)
        assert tuple(row) == (2, "Bjarne", "ENG", 1, decimal.Decimal("8100.50"), datetime.date(2016, 7, 15), 4.25, True)

    run(server, work)


def test_parameters_of_many_types(server):
    async def work(connection):
        sent = (1, 2**40, 1.5, "text", True, datetime.date(2024, 2, 29), decimal.Decimal("1.50"), b"\x00\xff")
        row = await connection.fetchrow(
            "SELECT $1::int, $2::bigint, $3::float8, $4::text, $5::bool, $6::date, $7::numeric, $8::bytea", *sent
        )
        assert tuple(row) == sent

    run(server, work)


def test_types(server):
    async def work(connection):
        row = await connection.fetchrow("SELECT * FROM types WHERE id = 3")
        assert row["clock"] == datetime.time(12, 34, 56, 500000)
        assert row["instant"] == datetime.datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=datetime.timezone.utc)
        assert row["numbers"] == [None, -1]
        assert row["labels"] == ["", "NULL", "with space", 'a"b', "c\\d", "{}", None]
        assert row["exact"] == decimal.Decimal("9999999999999999999999999999.9999999999")
        assert all(value is None for value in list(await connection.fetchrow("SELECT * FROM types WHERE id = 5"))[1:])

    run(server, work)


def test_interval(server):
    async def work(connection):
        assert await connection.fetchval("SELECT INTERVAL '1 day 2 hours'") == datetime.timedelta(days=1, hours=2)

    run(server, work)


def test_paging_through_a_portal(server):
    async def work(connection):
        async with connection.transaction():
            ids = [row["id"] async for row in connection.cursor("SELECT id FROM employees ORDER BY id", prefetch=5)]
        assert ids == list(range(1, 13))

    run(server, work)


def test_prepared_statement(server):
    async def work(connection):
        statement = await connection.prepare("SELECT name FROM employees WHERE id = $1")
        assert [kind.name for kind in statement.get_parameters()] == ["int4"]
        assert [await statement.fetchval(id) for id in (1, 5, 1000)] == ["Ada", "Edsger", None]

    run(server, work)


def test_error_leaves_the_connection_alive(server):
    async def work(connection):
        with pytest.raises(asyncpg.UndefinedColumnError):
            await connection.fetch("SELECT nothing FROM employees")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await connection.fetch("SELECT id / (id - id) FROM employees")
        assert await connection.fetchval("SELECT 1") == 1

    run(server, work)


def test_timeout_cancels(server):
    async def work(connection):
        with pytest.raises(asyncio.TimeoutError):
            await connection.fetch("SELECT count(*) FROM lineitem a, lineitem b WHERE a.l_comment || b.l_comment LIKE '%zzqzz%'", timeout=0.5)
        assert await connection.fetchval("SELECT 1") == 1

    run(server, work)


def test_reset_between_users_of_a_pool(server):
    async def work(connection):
        await connection.execute("SET application_name = 'one'")
        await connection.reset()
        assert await connection.fetchval("SHOW application_name") != "one"

    run(server, work)
