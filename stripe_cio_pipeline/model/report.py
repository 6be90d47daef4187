"""What the model room reports."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a model: an attribute, where the model is `people`. `type` is DuckDB's."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class LimitFinding:
    """A limit of Customer.io that values of a column are over, and what became of them.

    `limit` is `value_bytes`, `milliseconds`, `not_finite` or `reserved_name`; `action` is `dropped`, `truncated`,
    `rejected` or `noted`; `people` is how many it touches, `example` the id of one of them.
    """

    column: str
    limit: str
    action: str
    people: int
    example: str | None
    advice: str


@dataclass(frozen=True, slots=True)
class ModelReport:
    """What a build did.

    `people` and `events` count all rows, `changed` the people computed anew, `customers_changed` the Stripe customers
    that made them so. `dated` are the places in models that ask what day it is; where it turned, everybody was computed
    anew for their sake (`day_turned`), and `written` people came out otherwise.
    """

    people: int
    changed: int
    customers_changed: int
    events: int
    columns: tuple[Column, ...]
    full: bool
    findings: tuple[LimitFinding, ...]
    seconds: float
    dated: tuple[str, ...] = ()
    day_turned: bool = False
    written: int = 0


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """A Stripe field that feeds an attribute.

    `table` is the raw table, `field` the path in its payload, `through` the columns of the models on the way, from
    Stripe's side to the attribute's. Of a seed's column, `table` is `seeds.<name>`. Where the way is lost, `table` and
    `field` are empty and `lost` names the place in the SQL: there may be more behind it.
    """

    table: str
    field: str
    through: tuple[str, ...]
    lost: str = ""
