"""Compares rows of two engines value by value."""

import datetime
import decimal
import math

# What two correct engines may differ by when they add floating-point numbers in another order.
RELATIVE = 1e-9


def assert_same_rows(actual, expected, ordered=True):
    actual, expected = [tuple(row) for row in actual], [tuple(row) for row in expected]
    assert len(actual) == len(expected), f"{len(actual)} rows, expected {len(expected)}"
    if not ordered:
        actual, expected = sorted(actual, key=sort_key), sorted(expected, key=sort_key)
    for number, (left, right) in enumerate(zip(actual, expected)):
        assert len(left) == len(right), f"row {number} has {len(left)} columns, expected {len(right)}"
        for column, (a, b) in enumerate(zip(left, right)):
            assert same(a, b), f"row {number}, column {column}: {a!r}, expected {b!r}"


def same(a, b):
    if a is None or b is None:
        return a is b
    if is_number(a) and is_number(b):
        if isinstance(a, int) and isinstance(b, int):
            return a == b
        # avg(decimal) has six digits after the point and drops the others; DuckDB's is a double.
        places = [-value.as_tuple().exponent for value in (a, b) if isinstance(value, decimal.Decimal)]
        absolute = 10.0 ** -min(places) if len(places) == 1 else 0.0
        return math.isclose(a, b, rel_tol=RELATIVE, abs_tol=absolute)
    if isinstance(a, datetime.date) and isinstance(b, datetime.date):
        return a == b
    return type(a) is type(b) and a == b


def is_number(value):
    return isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool)


def sort_key(row):
    return [(value is None, "" if value is None else f"{value:024.6f}" if is_number(value) else str(value)) for value in row]
