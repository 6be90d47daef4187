"""Customer.io's limits for attributes, held before anything is planned.

Names up to 150 bytes, values up to 1,000 bytes, 300 attributes a person, names with a meaning of their own, and times
in unix seconds. Sources: Customer.io's pages on invalid API requests, on attributes, and its FAQ on timestamps.
"""

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model.check import position
from stripe_cio_pipeline.model.files import ModelFile
from stripe_cio_pipeline.model.kinds import converted, is_nested, is_text, is_whole, not_finite, objection
from stripe_cio_pipeline.model.report import Column, LimitFinding
from stripe_cio_pipeline.model.tables import quoted
from stripe_cio_pipeline.warehouse import Connection

NAME_BYTES = 150
VALUE_BYTES = 1_000
ATTRIBUTES = 300

#: Customer.io keeps these for itself; setting them is refused or breaks the operation that carries them.
RESERVED = frozenset(
    {
        "cio_id",
        "anonymous_id",
        "cio_relationships",
        "_created_in_customerio_at",
        "_cio_subscription_preferences_computed",
        "_last_emailed",
        "_update",
        "_timestamp",
    }
)
#: Setting these is allowed, and changes who gets mail.
DELICATE = frozenset({"unsubscribed", "cio_subscription_preferences"})
#: Names with a meaning of their own, which they have in lower case alone.
MEANT = DELICATE | {"id", "email", "phone", "created_at", "timezone", "language"}

#: Unix seconds reach this in the year 5138; what is larger was meant as milliseconds.
LARGEST_SECONDS = 100_000_000_000

_ADVICE = {
    "value_bytes": f"Customer.io takes values up to {VALUE_BYTES:,} bytes: shorten it in people.sql, or set "
    "customerio.oversize_value.",
    "milliseconds": "Customer.io reads times as unix seconds: divide by 1000 in people.sql.",
    "not_finite": "Infinity and NaN cannot be sent: guard the division in people.sql.",
    "reserved_name": "Customer.io acts on this attribute: make sure that this is meant.",
}


def check_columns(file: ModelFile, columns: tuple[Column, ...]) -> None:
    """Hold the columns of people.sql to what can be an attribute. Raises ModelError that names the column."""
    attributes = [column for column in columns if column.name != "person_id"]
    if len(attributes) > ATTRIBUTES:
        raise ModelError(
            f"{file.where} gives {len(attributes)} attributes.",
            f"Customer.io takes {ATTRIBUTES} a person: take some out.",
        )
    for column in attributes:
        name = column.name
        where = f"{file.where}{position(file, name)}"
        if len(name.encode()) > NAME_BYTES:
            raise ModelError(
                f"{where}: the name of attribute {name[:40]}… has {len(name.encode())} bytes.",
                f"Customer.io takes {NAME_BYTES}: shorten it.",
            )
        if not name or not name.isprintable() or set(name) & set('"\\'):
            raise ModelError(
                f"{where}: {name!a} cannot be the name of an attribute.",
                "Name it without quotation marks, backslashes and control characters.",
            )
        if name.lower() in RESERVED:
            raise ModelError(f"{where}: {name} is a name that Customer.io keeps for itself.", "Name it otherwise.")
        if name.lower() in MEANT - {name}:
            raise ModelError(
                f"{where}: {name} is not {name.lower()} for Customer.io, and would be an attribute beside it.",
                f"Write it {name.lower()}.",
            )
        if name.startswith("_"):
            raise ModelError(
                f"{where}: {name} begins with _, which marks bookkeeping that is never sent.", "Name it otherwise."
            )
        if said := objection(column.type):
            what, _, advice = said.partition(": ")
            raise ModelError(f"{where}: {name} {what}.", advice[:1].upper() + advice[1:])


def as_attribute(column: Column) -> str:
    """Give a column of `people` as SQL for its attribute: a time becomes unix seconds, a span becomes text."""
    name = quoted(column.name)
    value = converted(column.type, f"people.{name}")
    return value if value == f"people.{name}" else f"{value} as {name}"


def apply_limits(
    connection: Connection, table: str, columns: tuple[Column, ...], oversize_value: str
) -> tuple[LimitFinding, ...]:
    """Hold the values of a table of people to the limits and tell what was done: nothing is cut in silence.

    `table` is SQL. `oversize_value` is the policy's `drop`, `truncate` or `reject`. Only text can be cut; a list or an
    object over the limit is left out, because half of it would be another value.
    """
    checks = [(column, limit, broken) for column in columns for limit, broken in _checks(column)]
    findings = [
        LimitFinding(column.name, "reserved_name", "noted", 0, None, _ADVICE["reserved_name"])
        for column in columns
        if column.name.lower() in DELICATE
    ]
    if not checks:
        return tuple(findings)
    # Nearly always nothing is over a limit: one pass asks whether anything is, and only what is gets counted.
    asked = ", ".join(f"bool_or({broken})" for _, _, broken in checks)
    answers = connection.execute(f"select {asked} from {table}").fetchone() or ()  # noqa: S608
    for (column, limit, broken), is_broken in zip(checks, answers, strict=True):
        if is_broken:
            counted = f"select count(*), min(person_id) from {table} where {broken}"  # noqa: S608
            people, example = connection.execute(counted).fetchone() or (0, None)
            action = _act(connection, table, column, limit, broken, oversize_value)
            findings.append(LimitFinding(column.name, limit, action, int(people), example, _ADVICE[limit]))
    return tuple(findings)


def _checks(column: Column) -> list[tuple[str, str]]:
    """Name what can be wrong with a column's values, with SQL that is true where it is."""
    name = quoted(column.name)
    checks: list[tuple[str, str]] = []
    if column.name == "person_id":
        return checks
    if is_text(column.type):
        checks.append(("value_bytes", f"strlen({name}) > {VALUE_BYTES}"))
    elif column.type == "VARCHAR[]":
        # A short list cannot be too long as JSON, where quotes, commas and escapes make it longer.
        short = f"strlen(array_to_string({name}, '')) <= {VALUE_BYTES // 8}"
        checks.append(("value_bytes", f"not ({short}) and strlen(to_json({name})::varchar) > {VALUE_BYTES}"))
    elif is_nested(column.type):
        checks.append(("value_bytes", f"strlen(to_json({name})::varchar) > {VALUE_BYTES}"))
    if broken := not_finite(column.type, name):
        checks.append(("not_finite", broken))
    if column.name.endswith("_at") and is_whole(column.type):
        checks.append(("milliseconds", f"abs({name}) >= {LARGEST_SECONDS}"))
    return checks


def _act(connection: Connection, table: str, column: Column, limit: str, broken: str, oversize_value: str) -> str:
    # Without its hash, the row is looked at again whenever everybody is computed: what is told here is told again then.
    name = quoted(column.name)
    if limit == "value_bytes" and oversize_value == "reject":
        connection.execute(
            f"update {table} set _rejected = coalesce(_rejected, ?), _hash = null where {broken}",  # noqa: S608
            [column.name],
        )
        return "rejected"
    if limit == "value_bytes" and oversize_value == "truncate" and column.type == "VARCHAR":
        # A character has up to four bytes, so the most characters that fit are among these.
        sizes = f"range({VALUE_BYTES // 4}, {VALUE_BYTES + 1})"
        fitting = f"list_filter({sizes}, lambda size: strlen(left({name}, size)) <= {VALUE_BYTES})"
        connection.execute(
            f"update {table} set {name} = left({name}, list_max({fitting})), _hash = null where {broken}"  # noqa: S608
        )
        return "truncated"
    connection.execute(f"update {table} set {name} = null, _hash = null where {broken}")  # noqa: S608
    return "dropped"
