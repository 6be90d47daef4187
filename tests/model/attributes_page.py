"""Writes docs/attributes.md from attributes.yaml, people.sql, the lineage and the cases.

Run `python -m tests.model.attributes_page` after a change to any of them.
"""

import json
import textwrap
from pathlib import Path
from typing import Any

from stripe_cio_pipeline.model.files import load_models
from stripe_cio_pipeline.model.trace import lineage, meanings
from stripe_cio_pipeline.policy import Policy
from tests.model.cases import money_cases, raw_cases

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "attributes.md"

_HEAD = """\
# Attributes

What every person in Customer.io has, attribute by attribute. `people.sql` makes them: a column is an attribute, and
[models.md](models.md) tells how to add, change and remove one. The SQL below is that file's own; the examples are cases
of `tests/data/attributes` and `tests/data/money`, where the Stripe objects behind them stand, and why a value is right;
what it is made of is computed from SQL.

- Everything counts that any of a person's Stripe customers has; who the person is comes from the owner
  ([identity.md](identity.md)).
- Times are unix seconds. Money is in units of `currency`, with the decimals that the currency has, and prints exactly.
- A value that Stripe does not give is none, and the attribute is not there; amounts and counts are 0 instead. What
  cannot be known is none too, never 0: an object without a field that it needs, or a type that the key may not read.
- Customer.io's limits hold: names up to 150 bytes, values up to 1,000 bytes, 300 attributes, finite numbers, times in
  seconds. What is over them is left out, cut or rejected by `customerio.oversize_value`, and every build reports it.
"""


def render() -> str:
    """Give the page's text."""
    told = meanings(Policy())
    columns = projections()
    sources = lineage(Policy())
    return _HEAD + "".join(
        _section(name, told.get(name, ""), sql, sorted({f"{one.table[7:]}.{one.field}" for one in sources[name]}))
        for name, sql in columns.items()
    )


def projections() -> dict[str, str]:
    """Give the SQL of each attribute, as it stands in people.sql."""
    sql = load_models(None).people.sql
    body = sql[sql.rindex("\nselect\n") + len("\nselect\n") : sql.rindex("\nfrom owners")]
    parts: list[str] = [""]
    depth = 0
    for character in body:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    named = {part.rsplit(" as ", 1)[1].strip().strip('"'): textwrap.dedent(part.strip("\n")) for part in parts}
    named.pop("person_id")
    return named


def _section(name: str, meaning: str, sql: str, fields: list[str]) -> str:
    examples = "".join(f"\n- {case}: `{_short(value)}`" for case, value in _examples(name))
    made_of = ", ".join(f"`{field}`" for field in fields)
    return (
        f"\n## {name}\n\n{meaning.strip()}\n\n```sql\n{sql}\n```\n"
        + (f"\nExamples:\n{examples}\n" if examples else "")
        + f"\nMade of {made_of}.\n"
    )


def _examples(name: str, most: int = 5) -> list[tuple[str, Any]]:
    found = [
        (case.name, person[name])
        for case in (*raw_cases(), *money_cases())
        for person in case.expect.values()
        if person.get(name) is not None
    ]
    return list({json.dumps(value): (case, value) for case, value in reversed(found)}.values())[::-1][:most]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\\n", " ")


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
