"""Who is computed anew after a change, and with which rows: whom it touches, and whoever is one person with them.

The warehouse has no indexes, so that finding rows by an id reads that column of everybody: 40 ms in a million rows. It
is therefore done once for each table. The rows of whoever is in scope are read by their customer, and the objects that
are replaced are looked for among these: an object seldom moves from one customer to another.
"""

from dataclasses import dataclass

from stripe_cio_pipeline.model import tables
from stripe_cio_pipeline.model.files import RAW, ModelFile, Models
from stripe_cio_pipeline.model.tables import quoted
from stripe_cio_pipeline.warehouse import Connection, Statements

_ACTS = Statements("stripe_cio_pipeline.model.acts")

#: The rows of the customers of more objects than this are too many to be kept twice: finding them twice costs less.
FEW = 10_000

_IN_SCOPE = "{key} in (select customer_id from scope)"


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Typed rows that are computed and not written yet.

    `object_id` and `key` name the columns that say which rows they replace and whose they are.
    """

    object_id: str
    key: str
    changed_ids: str


class Scope:
    """The customers whose people one build computes, from `renew` for each typed table to `gather`."""

    def __init__(self, connection: Connection, models: Models, mark: int) -> None:
        self._connection = connection
        self._models = models
        self._mark = mark
        self._waiting: dict[str, _Waiting] = {}
        connection.execute(_ACTS["create_touched"])
        connection.execute(_ACTS["touched_before"])

    def renew(self, file: ModelFile) -> None:
        """Compute a typed table anew for the raw objects that changed, and note whom that touches."""
        connection = self._connection
        raws = file.reads(RAW)
        for raw in raws:
            changed = tables.changed_ids(raw)
            objects = tables.count(connection, f"({changed})")
            if not objects:
                continue
            columns = [column.name for column in tables.columns_of(connection, f"from model.{file.name}")]
            key = key_of(file, columns)
            tables.show_newer(connection, raw, self._mark)
            tables.create(connection, _new(file.name), file.query)
            tables.hide(connection, "view", [raw])
            if key is not None:
                tables.insert(connection, "touched", f"select distinct {key} from {_new(file.name)}")  # noqa: S608
            if file.name == "customers":
                connection.execute(_ACTS["new_emails"])
            if key is not None and objects <= FEW and len(raws) == 1 and self._is_read_often(file):
                self._waiting[file.name] = _Waiting(columns[0], key, changed)
            else:
                table = f"model.{file.name}"
                tables.delete_where(connection, table, columns[0], changed, key or "null::varchar")
                connection.execute(_ACTS["touched_replaced"])
                tables.insert(connection, table, f"from {_new(file.name)}")
                tables.hide(connection, "table", [_new(file.name)])

    def gather(self) -> tuple[int, dict[str, str]]:
        """Put the rows of whoever is in scope before the full tables, and write the typed rows that are new.

        Gives how many customers the changes touch, and the names that now stand for a part, each with its kind.
        """
        touched = self._widen()
        shown = self._read_parts()
        if self._find_strays():
            touched = self._widen()
            shown = self._read_parts()
        for name, waiting in self._waiting.items():
            self._write(name, waiting)
        return touched, shown

    def _is_read_often(self, file: ModelFile) -> bool:
        """Whether more than one model reads a table. Where one does, its own filters leave more of a view unread."""
        models = self._models
        return sum(bool(model.reads([file.name])) for model in (models.members, *models.helpers, models.people)) > 1

    def _widen(self) -> int:
        """Find who is one person with those who are touched. Gives how many are touched."""
        connection = self._connection
        connection.execute(_ACTS["create_scope"])
        touched = tables.count(connection, "scope")
        connection.execute(_ACTS["former_members"])
        connection.execute(_ACTS["ties"])
        while tables.changed_rows(connection, _ACTS["more_members"]) and tables.changed_rows(
            connection, _ACTS["more_ties"]
        ):
            pass
        connection.execute(_ACTS["widen_scope"])
        return touched

    def _read_parts(self) -> dict[str, str]:
        connection = self._connection
        shown = {}
        for file, key in keyed(connection, self._models):
            condition = _IN_SCOPE.format(key=key)
            if file.name in self._waiting:
                query = f"select rowid as {_NUMBER}, * from model.{file.name} where {condition}"  # noqa: S608
                tables.create(connection, _part(file.name), query)
                shown[file.name] = "table"
            else:
                shown[file.name] = "table" if self._is_read_often(file) else "view"
                tables.part_where(connection, shown[file.name], file.name, condition)
        return shown

    def _find_strays(self) -> bool:
        """Look everywhere for replaced objects that none in scope has: new ones, which nobody has, or somebody else's.

        Tells whether that touches somebody who is not in scope.
        """
        connection = self._connection
        for name, waiting in self._waiting.items():
            object_id = quoted(waiting.object_id)
            missing = (
                f"select id from ({waiting.changed_ids}) "  # noqa: S608
                f"where id not in (select {object_id} from {_part(name)} where {object_id} is not null)"
            )
            # A customer's own row is in its part, or nowhere.
            if waiting.key == waiting.object_id or not tables.count(connection, f"({missing})"):
                missing = "select null"
            tables.create(
                connection,
                _strays(name),
                f"select rowid as number, {waiting.key} as customer_id from model.{name} "  # noqa: S608
                f"where {object_id} in ({missing})",
            )
            connection.execute(_ACTS["touched_strays"].replace("strays", _strays(name)))
        return tables.count(connection, "touched where customer_id not in (select customer_id from scope)") > 0

    def _write(self, name: str, waiting: _Waiting) -> None:
        """Replace rows in a typed table, and in the part of it that stands before it."""
        connection = self._connection
        is_replaced = f"{quoted(waiting.object_id)} in ({waiting.changed_ids})"
        connection.execute(
            f"delete from model.{name} where rowid in ("  # noqa: S608
            f"select {_NUMBER} from {_part(name)} where {is_replaced} union select number from {_strays(name)})"
        )
        tables.insert(connection, f"model.{name}", f"from {_new(name)}")
        tables.create(
            connection,
            name,
            f"select * exclude ({_NUMBER}) from {_part(name)} where ({is_replaced}) is not true "  # noqa: S608
            f"union all select * from {_new(name)} where {_IN_SCOPE.format(key=waiting.key)}",
        )
        # Of many people they are large, and temporary tables stay in memory.
        tables.hide(connection, "table", [_part(name), _new(name), _strays(name)])


def key_of(file: ModelFile, columns: list[str]) -> str | None:
    """Name the column of a typed table that says whose a row is, if it has one."""
    key = "id" if file.name == "customers" else "customer_id"
    return key if key in columns else None


def keyed(connection: Connection, models: Models) -> list[tuple[ModelFile, str]]:
    """Give the typed tables whose rows are somebody's, each with the column that says whose."""
    found = []
    for file in models.objects:
        key = key_of(file, [column.name for column in tables.columns_of(connection, f"from model.{file.name}")])
        if key is not None:
            found.append((file, key))
    return found


# No model can have a name with a space in it.
_NUMBER = quoted("row number")


def _new(name: str) -> str:
    return quoted(f"new {name}")


def _part(name: str) -> str:
    return quoted(f"part of {name}")


def _strays(name: str) -> str:
    return quoted(f"strays of {name}")
