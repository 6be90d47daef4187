"""What a model's SQL says, as DuckDB's own parser reads it: what is judged is then what runs.

`json_serialize_sql` gives the parsed statement with the place of each part in bytes, and takes nothing but selects. The
lineage follows values with sqlglot, which knows more about them; here only the names count that a statement mentions.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import duckdb

from stripe_cio_pipeline.errors import ModelError

#: Functions that SQL writes without parentheses, like a column. Not `user`: that is a good name for a column, and as a
#: function it is the same everywhere.
LIKE_COLUMNS = frozenset(
    {
        "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp",
        "current_user", "session_user", "current_role", "current_catalog", "current_schema",
    }
)  # fmt: skip

#: Statements that change something can stand in a `with` from DuckDB 2.0 on.
_CHANGES = frozenset({"DELETE_QUERY_NODE", "INSERT_QUERY_NODE", "UPDATE_QUERY_NODE", "MERGE_QUERY_NODE"})

#: What stands for a place that is not known.
_NOWHERE = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Mention:
    """A name that a statement uses, in lower case: `schema` and `name`, and where it stands in the file."""

    schema: str
    name: str
    where: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a statement mentions.

    `tables` are those that it does not make itself in a `with`. `table_functions` stand in `from`, `functions` anywhere
    else, each with its number of arguments.
    """

    tables: tuple[Mention, ...]
    table_functions: tuple[Mention, ...]
    functions: tuple[tuple[Mention, int], ...]


@cache
def _database() -> duckdb.DuckDBPyConnection:
    # One for the whole process: opening one takes ten times as long as reading a model.
    return duckdb.connect(config={"threads": 1})


def parser() -> duckdb.DuckDBPyConnection:
    """Give a connection to an empty database of its own, to be asked what DuckDB makes of SQL. Close it."""
    return _database().cursor()


@lru_cache(maxsize=128)
def read_query(sql: str, where: str) -> Reading:
    """Read the SQL of one model. `where` names its file.

    Raises ModelError with the place where it is not one select, or none that can be read.
    """
    with parser() as connection:
        answer = connection.execute("select json_serialize_sql(?)", [sql]).fetchone()
    found = json.loads(answer[0] if answer else "{}")
    if found.get("error"):
        raise _explain(sql, where, found)
    if len(found["statements"]) != 1:
        raise ModelError(
            f"{where} holds {len(found['statements'])} statements.",
            "A model is one select: put each into a file of its own.",
        )
    seen = _Walk(sql, where)
    seen.walk(found["statements"][0], frozenset())
    return Reading(tuple(seen.tables), tuple(seen.table_functions), tuple(seen.functions))


def place(sql: str, offset: int) -> str:
    """Give `:line:column` of a place in a file's text."""
    before = sql[:offset]
    return f":{before.count(chr(10)) + 1}:{offset - (before.rfind(chr(10)) + 1) + 1}"


def _explain(sql: str, where: str, found: dict[str, Any]) -> ModelError:
    if found["error_type"] == "not implemented":
        return _no_select(sql, where)
    at = place(sql, int(found["position"])) if found.get("position") else ""
    return ModelError(f"{where}{at}: {found['error_message']}.", "Correct the file; nothing was sent.")


def _no_select(sql: str, where: str) -> ModelError:
    return ModelError(
        f"{where}{place(sql, first_word(sql))}: this is no select.",
        "A model is one select and changes nothing. A pivot names its values: pivot … on … in (…).",
    )


def _arguments(function: dict[str, Any]) -> list[Any]:
    """Give what a function is called with: `children` until DuckDB 1.5, `arguments` from 2.0 on."""
    found: list[Any] = function.get("children") or function.get("arguments") or []
    return found


def first_word(sql: str) -> int:
    """Find where the first statement begins, behind comments."""
    offset = 0
    while True:
        rest = sql[offset:]
        stripped = rest.lstrip()
        offset += len(rest) - len(stripped)
        if stripped.startswith("--"):
            end = stripped.find("\n")
        elif stripped.startswith("/*"):
            end = stripped.find("*/") + 1
        else:
            return offset
        if end < 1:
            return offset
        offset += end + 1


class _Walk:
    """One way through a parsed statement."""

    def __init__(self, sql: str, where: str) -> None:
        self._sql = sql
        self._where = where
        self._bytes = sql.encode()
        self.tables: list[Mention] = []
        self.table_functions: list[Mention] = []
        self.functions: list[tuple[Mention, int]] = []

    def walk(self, node: Any, named: frozenset[str]) -> None:
        """Note what a part mentions. `named` are the names that a `with` around it makes."""
        if isinstance(node, list):
            for part in node:
                self.walk(part, named)
        if not isinstance(node, dict):
            return
        if str(node.get("type")) in _CHANGES:
            raise _no_select(self._sql, self._where)
        for entry in node.get("cte_map", {}).get("map", ()):
            self.walk(entry["value"], named)
            named |= {entry["key"].lower()}
        if node.get("type") == "RECURSIVE_CTE_NODE":
            named |= {node["cte_name"].lower()}
        self._note(node, named)
        for name, part in self._parts(node):
            if name != "cte_map":
                self.walk(part, named)

    def _note(self, node: dict[str, Any], named: frozenset[str]) -> None:
        if node.get("sample"):
            self.functions.append((self._mention(node, "", "using sample"), 0))
        match node:
            case {"type": "BASE_TABLE", "table_name": name, "schema_name": schema, "catalog_name": catalog}:
                if schema or name.lower() not in named:
                    self.tables.append(self._mention(node, f"{catalog}.{schema}" if catalog else schema, name))
            case {"type": "SHOW_REF"}:
                self.table_functions.append(self._mention(node, "", "describe"))
            case {"type": "TABLE_FUNCTION", "function": {"function_name": name, "schema": schema}}:
                self.table_functions.append(self._mention(node, schema, name))
            case {"class": "FUNCTION", "function_name": name, "schema": schema}:
                self.functions.append((self._mention(node, schema, name), len(_arguments(node))))
            case {"class": "COLUMN_REF", "column_names": [name]} if name.lower() in LIKE_COLUMNS:
                self.functions.append((self._mention(node, "", name), 0))

    @staticmethod
    def _parts(node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        if node.get("type") == "TABLE_FUNCTION" and isinstance(node.get("function"), dict):
            # The function itself is noted; what it is called with is not.
            yield "arguments", _arguments(node["function"])
        else:
            yield from node.items()

    def _mention(self, node: dict[str, Any], schema: str, name: str) -> Mention:
        at = node.get("query_location", _NOWHERE)
        where = self._where
        if at < len(self._bytes):
            where += place(self._sql, len(self._bytes[:at].decode(errors="ignore")))
        return Mention(schema.lower(), name.lower(), where)
