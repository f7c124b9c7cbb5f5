#!/usr/bin/env python3
"""Writes the small tables that scripts and tests read: `lake/` for Arbalest and `postgresql.sql` for PostgreSQL.

Both come from the same rows below. The results are committed; run this again after changing a row:
    target/python/bin/python tests/data/generate.py
"""

import csv
import gzip
import io
import json
import pathlib
import shutil
from datetime import date, datetime, time, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
LAKE = HERE / "lake"

# Arrow type → PostgreSQL type.
POSTGRESQL_TYPES = {
    pa.bool_(): "boolean",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float32(): "real",
    pa.float64(): "double precision",
    pa.decimal128(10, 2): "numeric(10,2)",
    pa.decimal128(38, 10): "numeric(38,10)",
    pa.string(): "text",
    pa.binary(): "bytea",
    pa.date32(): "date",
    pa.time64("us"): "time",
    pa.timestamp("us"): "timestamp",
    pa.timestamp("us", "UTC"): "timestamptz",
    pa.list_(pa.int64()): "bigint[]",
    pa.list_(pa.string()): "text[]",
}


def table(columns, rows):
    """A table from `{name: type}` and row tuples."""
    schema = pa.schema(list(columns.items()))
    return pa.Table.from_arrays(
        [pa.array([row[i] for row in rows], type=field.type) for i, field in enumerate(schema)], schema=schema
    )


EMPLOYEES = table(
    {
        "id": pa.int32(),
        "name": pa.string(),
        "department": pa.string(),
        "manager_id": pa.int32(),
        "salary": pa.decimal128(10, 2),
        "hired": pa.date32(),
        "rating": pa.float64(),
        "active": pa.bool_(),
    },
    [
        (1, "Ada", "ENG", None, Decimal("9200.00"), date(2015, 3, 1), 4.5, True),
        (2, "Bjarne", "ENG", 1, Decimal("8100.50"), date(2016, 7, 15), 4.25, True),
        (3, "Chloé", "OPS", 1, Decimal("6400.00"), date(2018, 1, 31), 3.5, True),
        (4, "Dmitri", "OPS", 3, Decimal("5150.25"), date(2019, 12, 31), None, False),
        (5, "Edsger", "ENG", 2, Decimal("7300.75"), date(2020, 2, 29), 5.0, True),
        (6, "Frances", "RES", 1, Decimal("8800.00"), date(2017, 11, 5), 4.75, True),
        (7, "Grace", "RES", 6, Decimal("8800.00"), date(2021, 6, 1), 4.75, True),
        (8, "Hedy", None, 1, Decimal("4000.00"), date(2022, 8, 20), 2.0, False),
        (9, "Ivan", "OPS", 3, None, date(2023, 4, 10), 3.0, True),
        (10, "José", "SAL", 1, Decimal("3900.10"), date(2023, 4, 10), None, True),
        (11, "Katherine", "RES", 6, Decimal("9100.00"), None, 4.0, True),
        (12, "Linus", "ENG", 2, Decimal("7300.75"), date(2024, 1, 2), 3.75, None),
    ],
)

DEPARTMENTS = table(
    {"code": pa.string(), "title": pa.string(), "budget": pa.int64(), "city": pa.string()},
    [
        ("ENG", "Engineering", 500000, "Zürich"),
        ("OPS", "Operations", 250000, "Genève"),
        ("RES", "Research, basic", 750000, "Zürich"),
        ("LEG", 'Legal "and" compliance', 90000, "Bern"),
    ],
)

ORDERS = table(
    {
        "id": pa.int64(),
        "employee_id": pa.int64(),
        "amount": pa.float64(),
        "note": pa.string(),
        "tags": pa.list_(pa.string()),
    },
    [
        (100, 10, 12.5, "first", ["new", "web"]),
        (101, 10, 99.75, None, ["web"]),
        (102, 3, 250.0, "rush; paid", []),
        (103, 4, 0.5, "", None),
        (104, 99, 40.0, "no such employee", ["web", "ghost"]),
        (105, 10, 12.5, "again", ["new"]),
        (106, None, 7.25, "anonymous", ["web", "new"]),
    ],
)

READINGS = table(
    {"sensor": pa.string(), "taken": pa.timestamp("us"), "value": pa.float64()},
    [
        (sensor, datetime(2024, 1, 1 + hour // 24, hour % 24, 30 * (hour % 2)), value)
        for sensor, start in (("north", 10.0), ("south", 20.0))
        for hour, value in ((h, None if h == 13 else start + (h * 7 % 12) / 4) for h in range(0, 48, 6 if sensor == "north" else 8))
    ],
)

TYPES = table(
    {
        "id": pa.int32(),
        "truth": pa.bool_(),
        "small": pa.int16(),
        "middle": pa.int32(),
        "large": pa.int64(),
        "single": pa.float32(),
        "double": pa.float64(),
        "exact": pa.decimal128(38, 10),
        "words": pa.string(),
        "bytes": pa.binary(),
        "day": pa.date32(),
        "clock": pa.time64("us"),
        "moment": pa.timestamp("us"),
        "instant": pa.timestamp("us", "UTC"),
        "numbers": pa.list_(pa.int64()),
        "labels": pa.list_(pa.string()),
    },
    [
        (
            1, True, 1, 1, 1, 1.5, 0.1, Decimal("1.5"), "one", b"\x00\x01\xff", date(2000, 1, 1), time(0, 0),
            datetime(2000, 1, 1), datetime(2000, 1, 1, tzinfo=timezone.utc), [1, 2, 3], ["a", "b"],
        ),
        (
            2, False, -32768, -2147483648, -9223372036854775808, -3.25, -1e300,
            Decimal("-9999999999999999999999999999.9999999999"), "", b"", date(1582, 10, 15),
            time(23, 59, 59, 999999), datetime(1969, 12, 31, 23, 59, 59, 999999),
            datetime(1900, 1, 1, 12, tzinfo=timezone.utc), [], [],
        ),
        (
            3, None, 32767, 2147483647, 9223372036854775807, 1e-10, 1e-7,
            Decimal("9999999999999999999999999999.9999999999"), 'quote " comma , brace { back \\ tab\there',
            bytes(range(16)), date(9999, 12, 31), time(12, 34, 56, 500000), datetime(9999, 12, 31, 23, 59, 59),
            datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=timezone.utc), [None, -1],
            ["", "NULL", "with space", 'a"b', "c\\d", "{}", None],
        ),
        (
            4, True, 0, 0, 0, float("inf"), float("nan"), Decimal("0"), "žluťoučký kůň 馬 🐎", b"\xc5\xbe",
            date(1, 1, 1), time(1, 2, 3), datetime(1, 1, 1, 0, 0, 1), datetime(1970, 1, 1, tzinfo=timezone.utc),
            [9223372036854775807], ["馬"],
        ),
        (5,) + (None,) * 15,
    ],
)

# One directory per year and month; the keys are columns of the table.
EVENTS = table(
    {"id": pa.int64(), "kind": pa.string(), "points": pa.int32(), "year": pa.int32(), "month": pa.int32()},
    [
        (year * 100 + month * 10 + n, kind, points + n, year, month)
        for year, month, points in ((2023, 11, 10), (2023, 12, 20), (2024, 1, 30))
        for n, kind in enumerate(("open", "click", "close"))
    ],
)

# A directory of several files.
VISITS = table(
    {"page": pa.string(), "visitor": pa.int64(), "seconds": pa.float64()},
    [(f"/{'abc'[i % 3]}", i % 4, i * 1.5 if i % 5 else None) for i in range(20)],
)

CITIES = table(
    {"city": pa.string(), "country": pa.string(), "inhabitants": pa.int64()},
    [("Zürich", "CH", 427721), ("Genève", "CH", 203856), ("Bern", "CH", 134794), ("Lyon", "FR", 522250), ("Como", "IT", None)],
)

SALES = table(
    {"Region": pa.string(), "select": pa.int64(), "two words": pa.float64()},
    [("north", 1, 1.25), ("south", 2, 2.5), ("south", 3, None)],
)


def write_csv(data, delimiter=","):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(data.column_names)
    for row in data.to_pylist():
        writer.writerow(["" if value is None else value for value in row.values()])
    return text.getvalue().encode()


def write_json(data):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in data.to_pylist()).encode()


def write_lake():
    shutil.rmtree(LAKE, ignore_errors=True)
    LAKE.mkdir()
    pq.write_table(EMPLOYEES, LAKE / "employees.parquet", row_group_size=5)
    (LAKE / "departments.csv").write_bytes(write_csv(DEPARTMENTS))
    (LAKE / "orders.jsonl").write_bytes(write_json(ORDERS))
    with pa.ipc.new_file(LAKE / "readings.arrow", READINGS.schema) as writer:
        writer.write_table(READINGS, max_chunksize=4)
    pq.write_table(TYPES, LAKE / "types.parquet")
    for year, month in sorted({(row["year"], row["month"]) for row in EVENTS.to_pylist()}):
        directory = LAKE / "events" / f"year={year}" / f"month={month}"
        directory.mkdir(parents=True)
        rows = [row for row in EVENTS.to_pylist() if (row["year"], row["month"]) == (year, month)]
        part = pa.Table.from_pylist(rows, schema=EVENTS.schema).drop_columns(["year", "month"])
        pq.write_table(part, directory / "part-0.parquet")
    (LAKE / "visits").mkdir()
    for n, start in enumerate(range(0, VISITS.num_rows, 8)):
        pq.write_table(VISITS.slice(start, 8), LAKE / "visits" / f"{n}.parquet")
    (LAKE / "cities.csv.gz").write_bytes(gzip.compress(write_csv(CITIES), mtime=0))
    (LAKE / "Sales 2024.csv").write_bytes(write_csv(SALES))


def literal(value):
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case int() | Decimal():
            return str(value)
        case float():
            return f"'{value!r}'"
        case bytes():
            return f"'\\x{value.hex()}'"
        case list():
            return "ARRAY[" + ", ".join(literal(item) for item in value) + "]"
        case datetime() | date() | time():
            return f"'{value.isoformat()}'"
        case _:
            return "'" + str(value).replace("'", "''") + "'"


def write_postgresql():
    tables = {
        "employees": EMPLOYEES,
        "departments": DEPARTMENTS,
        "orders": ORDERS,
        "readings": READINGS,
        "types": TYPES,
        "events": EVENTS,
        "visits": VISITS,
        "cities": CITIES,
        '"Sales 2024"': SALES,
    }
    lines = ["-- Written by generate.py: the tables of lake/ for PostgreSQL."]
    for name, data in tables.items():
        columns = [(f'"{field.name}"', POSTGRESQL_TYPES[field.type]) for field in data.schema]
        lines.append(f"CREATE TABLE {name} ({', '.join(' '.join(column) for column in columns)});")
        rows = []
        for row in data.to_pylist():
            values = []
            for value, (_, kind) in zip(row.values(), columns):
                values.append(literal(value) + (f"::{kind}" if isinstance(value, list) else ""))
            rows.append("  (" + ", ".join(values) + ")")
        lines.append(f"INSERT INTO {name} VALUES\n" + ",\n".join(rows) + ";")
    lines += [
        # The one function of ours that the scripts use, so that they can be replayed on PostgreSQL.
        "CREATE EXTENSION IF NOT EXISTS fuzzystrmatch;",
        "CREATE FUNCTION levenshtein_ratio(a text, b text) RETURNS float8 LANGUAGE sql IMMUTABLE AS",
        "  'SELECT CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN greatest(length(a), length(b)) = 0 THEN 1",
        "          ELSE 1 - levenshtein(a, b)::float8 / greatest(length(a), length(b)) END';",
    ]
    (HERE / "postgresql.sql").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    write_lake()
    write_postgresql()
