"""Types of columns, by DuckDB's own type objects, and what an attribute of each becomes: a JSON value, or a refusal.

A time is unix seconds and a span of time is text, as Customer.io has them, also inside lists, structs and maps.
"""

from functools import lru_cache
from typing import Any

import duckdb

#: Moments: Customer.io compares times by unix seconds.
_MOMENTS = frozenset({"timestamp", "timestamp with time zone", "timestamp_s", "timestamp_ms", "timestamp_ns", "date"})
#: What JSON has no word for and text says as well.
_AS_TEXT = frozenset({"interval", "time", "time with time zone", "time_ns", "uuid", "enum"})
_WHOLE = frozenset(
    {
        "tinyint", "smallint", "integer", "bigint", "hugeint",
        "utinyint", "usmallint", "uinteger", "ubigint", "uhugeint",
    }
)  # fmt: skip
_FLOATS = frozenset({"double", "float"})
_PLAIN = frozenset({"boolean", "varchar", "null", "decimal"}) | _WHOLE | _FLOATS
_LISTS = frozenset({"list", "array"})


@lru_cache(maxsize=1024)
def kind_of(text: str) -> Any:
    """Give DuckDB's type object for a type as DuckDB writes it. None for a struct without names, which has no text."""
    try:
        return duckdb.sqltype(text)
    except duckdb.Error:
        return None


def is_whole(text: str) -> bool:
    """Whether a type holds whole numbers: a decimal may."""
    kind = kind_of(text)
    return kind is not None and (kind.id in _WHOLE or kind.id == "decimal")


def is_text(text: str) -> bool:
    """Whether a type is text and no JSON."""
    return text == "VARCHAR"


def is_nested(text: str) -> bool:
    """Whether values of a type are JSON lists or objects, JSON itself among them."""
    kind = kind_of(text)
    return text == "JSON" or (kind is not None and kind.id in {*_LISTS, "struct", "map"})


def objection(text: str) -> str:
    """Say why values of a type cannot be sent, and what to do; nothing where they can."""
    kind = kind_of(text)
    # DuckDB 2 calls it a tuple.
    unnamed = kind is None or kind.id == "tuple"
    return "is a struct without names: name its fields." if unnamed else _objection(kind)


def _objection(kind: Any) -> str:
    if kind.id in _PLAIN | _MOMENTS | _AS_TEXT:
        return ""
    if kind.id in _LISTS:
        return _objection(dict(kind.children)["child"])
    if kind.id in {"struct", "map"}:
        return next((said for _, child in kind.children if (said := _objection(child))), "")
    if kind.id in {"blob", "bit"}:
        return "is binary: turn it into text."
    return f"is of type {str(kind).partition('(')[0]}, which Customer.io has no word for: cast it to text or to JSON."


def converted(text: str, value: str) -> str:
    """Give SQL for the attribute of a column's value, itself SQL: the value where nothing has to be done."""
    kind = kind_of(text)
    return value if kind is None or kind.id == "decimal" else _converted(kind, value, 0)


def _converted(kind: Any, value: str, depth: int) -> str:
    each = f"each_{depth}"
    match kind.id:
        case moment if moment in _MOMENTS:
            return f"cast(epoch({value}) as bigint)"
        case span if span in _AS_TEXT:
            return f"cast({value} as varchar)"
        case "decimal":
            # As JSON writes numbers: 49.0 and not 49.00.
            return f"cast({value} as double)"
        case "list" | "array":
            inner = _converted(dict(kind.children)["child"], each, depth + 1)
            return value if inner == each else f"list_transform({value}, lambda {each}: {inner})"
        case "map":
            inner = _converted(dict(kind.children)["value"], f"{each}.value", depth + 1)
            if inner == f"{each}.value":
                return value
            entry = f"struct_pack(key := cast({each}.key as varchar), value := {inner})"
            return f"map_from_entries(list_transform(map_entries({value}), lambda {each}: {entry}))"
        case "struct":
            fields = [(name, f"struct_extract({value}, {_literal(name)})", child) for name, child in kind.children]
            inners = [(name, field, _converted(child, field, depth + 1)) for name, field, child in fields]
            if all(field == inner for _, field, inner in inners):
                return value
            packed = ", ".join(f"{_name(name)} := {inner}" for name, _, inner in inners)
            return f"case when {value} is not null then struct_pack({packed}) end"
    return value


def not_finite(text: str, value: str) -> str:
    """Give SQL that is true where a number in a value is infinite or NaN; nothing where there can be none."""
    kind = kind_of(text)
    return "" if kind is None else _not_finite(kind, value, 0)


def _not_finite(kind: Any, value: str, depth: int) -> str:
    each = f"each_{depth}"
    if kind.id in _FLOATS:
        return f"not isfinite({value})"
    if kind.id in _LISTS:
        inner = _not_finite(dict(kind.children)["child"], each, depth + 1)
        return inner and f"list_bool_or(list_transform({value}, lambda {each}: {inner}))"
    if kind.id == "map":
        inner = _not_finite(dict(kind.children)["value"], each, depth + 1)
        return inner and f"list_bool_or(list_transform(map_values({value}), lambda {each}: {inner}))"
    if kind.id == "struct":
        inners = [
            _not_finite(child, f"struct_extract({value}, {_literal(name)})", depth + 1) for name, child in kind.children
        ]
        found = [f"coalesce({inner}, false)" for inner in inners if inner]
        return f"({' or '.join(found)})" if found else ""
    return ""


def _literal(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
