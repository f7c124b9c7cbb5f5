"""SQLAlchemy over psycopg 2 and psycopg 3: reflection, statements, streaming."""

import datetime
import decimal

import pytest
import sqlalchemy as sa

from arbalest import Server

ROWS = 1000


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


@pytest.fixture(params=["psycopg2", "psycopg"])
def engine(server, request):
    engine = sa.create_engine(f"postgresql+{request.param}://me@{server.host}:{server.postgres_port}/arbalest")
    with engine.begin() as connection:
        for statement in (
            "DROP SCHEMA IF EXISTS shop CASCADE",
            "CREATE SCHEMA shop",
            "CREATE TABLE shop.customer (id int PRIMARY KEY, name varchar(20) NOT NULL DEFAULT 'x', email text UNIQUE)",
            "CREATE TABLE shop.purchase (number int, customer int REFERENCES shop.customer (id), amount numeric(10,2) CHECK (amount > 0), at timestamp, PRIMARY KEY (number))",
            "CREATE INDEX purchase_customer ON shop.purchase (customer, at)",
            "CREATE VIEW shop.large AS SELECT number, amount FROM shop.purchase WHERE amount > 500",
            "COMMENT ON TABLE shop.customer IS 'who buys'",
            "COMMENT ON COLUMN shop.customer.name IS 'as it is said'",
            "INSERT INTO shop.customer SELECT i, 'name ' || i, NULL FROM generate_series(1, 10) AS g(i)",
            f"INSERT INTO shop.purchase SELECT i, 1 + i % 10, i, timestamp '2024-01-01' + i * interval '1 hour' FROM generate_series(1, {ROWS}) AS g(i)",
        ):
            connection.execute(sa.text(statement))
    yield engine
    engine.dispose()


def test_reflection(engine):
    inspector = sa.inspect(engine)
    assert {"public", "shop"} <= set(inspector.get_schema_names())
    assert sorted(inspector.get_table_names("shop")) == ["customer", "purchase"]
    assert inspector.get_view_names("shop") == ["large"]
    columns = {column["name"]: column for column in inspector.get_columns("customer", "shop")}
    assert isinstance(columns["id"]["type"], sa.INTEGER) and not columns["id"]["nullable"]
    assert columns["name"]["type"].length == 20 and "x" in columns["name"]["default"] and columns["name"]["comment"] == "as it is said"
    amount = {column["name"]: column for column in inspector.get_columns("purchase", "shop")}["amount"]["type"]
    assert (amount.precision, amount.scale) == (10, 2)
    assert inspector.get_pk_constraint("purchase", "shop")["constrained_columns"] == ["number"]
    assert [constraint["column_names"] for constraint in inspector.get_unique_constraints("customer", "shop")] == [["email"]]
    [key] = inspector.get_foreign_keys("purchase", "shop")
    assert (key["constrained_columns"], key["referred_schema"], key["referred_table"]) == (["customer"], "shop", "customer")
    indexes = {index["name"]: index["column_names"] for index in inspector.get_indexes("purchase", "shop")}
    assert indexes == {"purchase_customer": ["customer", "at"]}
    assert [check["name"] for check in inspector.get_check_constraints("purchase", "shop")] == ["purchase_amount_check"]
    assert inspector.get_table_comment("customer", "shop") == {"text": "who buys"}
    assert inspector.get_view_definition("large", "shop")


def test_statements(engine):
    metadata = sa.MetaData()
    metadata.reflect(engine, schema="shop")
    customer, purchase = metadata.tables["shop.customer"], metadata.tables["shop.purchase"]
    with engine.begin() as connection:
        joined = sa.select(customer.c.name, sa.func.sum(purchase.c.amount)).join(purchase).group_by(customer.c.name).order_by(customer.c.name)
        totals = connection.execute(joined).all()
        assert len(totals) == 10 and totals[0] == ("name 1", decimal.Decimal("50500.00"))
        connection.execute(customer.insert(), [{"id": 100 + i, "name": f"new {i}"} for i in range(3)])
        assert connection.execute(customer.update().where(customer.c.id == 100).values(name="changed")).rowcount == 1
        first = connection.execute(sa.select(purchase.c.at).where(purchase.c.number == 1)).scalar_one()
        assert first == datetime.datetime(2024, 1, 1, 1)
    with pytest.raises(sa.exc.ProgrammingError), engine.begin() as connection:
        connection.execute(customer.delete())
        connection.execute(sa.text("SELECT * FROM nowhere"))
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(customer)).scalar() == 13


def test_rows_are_streamed(engine):
    with engine.connect().execution_options(stream_results=True, max_row_buffer=50) as connection:
        rows = connection.execute(sa.text("SELECT number FROM shop.purchase ORDER BY number"))
        assert [number for (number,) in rows] == list(range(1, ROWS + 1))
