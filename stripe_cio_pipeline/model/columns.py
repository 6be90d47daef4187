"""What columns a model must give, and names that it cannot: told with the file, before DuckDB renames anything."""

import re
from collections.abc import Iterable

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model.check import position
from stripe_cio_pipeline.model.files import ModelFile
from stripe_cio_pipeline.model.report import Column

EVENT_COLUMNS = ("event_id", "type", "customer_id", "created", "name", "data")
MEMBER_COLUMNS = ("customer_id", "person_id", "role", "email", "email_key", "reason")

_CHANGED = ("as_of", "seq", "source_event_id")
#: What builds and plans read of each model.
NEEDED: dict[str, tuple[str, ...]] = {
    "people": ("person_id", "id", "email"),
    "members": MEMBER_COLUMNS,
    "events": EVENT_COLUMNS,
    "customers": ("id", "email", "deleted", "discount_coupon", *_CHANGED),
    "subscriptions": ("customer_id", *_CHANGED),
    "invoices": ("customer_id", *_CHANGED),
    "charges": ("customer_id", *_CHANGED),
    "subscription_items": ("customer_id", "product_id", "price_id"),
    "discounts": ("customer_id", "coupon_id"),
}
#: Of these, what is compared with other text.
_TEXT = {"people": ("person_id", "id", "email"), "members": ("customer_id", "person_id", "role", "email", "email_key")}

#: DuckDB calls the second of two columns with one name `plan_1`.
_RENAMED = re.compile(r"(?P<name>.+)_\d+")


def hold_to_columns(file: ModelFile, columns: tuple[Column, ...], written: Iterable[str]) -> None:
    """Hold a model to the columns that it needs and may give.

    `written` are the texts of all models, and the columns of seeds. Raises ModelError with the file.
    """
    names = [column.name for column in columns]
    missing = [name for name in NEEDED.get(file.name, ()) if name not in names]
    if missing:
        raise ModelError(
            f"{file.where} has no column {' and no column '.join(missing)}.",
            f"It needs {', '.join(NEEDED[file.name])}.",
        )
    for column in columns:
        if column.name in _TEXT.get(file.name, ()) and column.type != "VARCHAR":
            raise ModelError(
                f"{file.where}{position(file, column.name)}: {column.name} is {column.type} and no text.",
                f"Cast it: cast(… as varchar) as {column.name}.",
            )
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(name.lower(), name)) is not name or names.count(name) > 1:
            raise ModelError(
                f"{file.where}{position(file, name)}: {name} is given twice"
                + (f", as {other} too: DuckDB takes both for one name." if other != name else "."),
                "Take one out, or name it otherwise.",
            )
    text = "\n".join(written).lower()
    for name in names:
        made_up = _RENAMED.fullmatch(name)
        if made_up and made_up["name"].lower() in seen and name.lower() not in text:
            raise ModelError(
                f"{file.where}{position(file, made_up['name'])}: two columns are called {made_up['name']}, "
                f"so that DuckDB made up the name {name}.",
                "Take one out, or name it otherwise. DuckDB does not tell capitals from small letters.",
            )
