"""Following an attribute back to the Stripe fields that it is made of, through the SQL of all models.

What counts is what a value is made of, the conditions of a `case` included. What only chooses rows (`where`, joins, the
order that picks one of several) does not. A path into JSON is followed through structs, lists, lambdas and `unnest`, so
that the end is a field of Stripe's object: `items.data[].price.unit_amount`.
"""

from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal

import sqlglot
import yaml
from sqlglot import exp
from sqlglot.errors import SqlglotError

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model.build import check_models
from stripe_cio_pipeline.model.columns import EVENT_COLUMNS, MEMBER_COLUMNS
from stripe_cio_pipeline.model.files import ModelFile, load_models
from stripe_cio_pipeline.model.following import Tracer, as_expression
from stripe_cio_pipeline.model.report import ColumnSource
from stripe_cio_pipeline.outside import visible
from stripe_cio_pipeline.policy import Policy


def lineage(
    policy: Policy, attribute: str | None = None, *, model: Literal["people", "members", "events"] = "people"
) -> dict[str, tuple[ColumnSource, ...]]:
    """Give for each attribute, or for one, the Stripe fields that it is made of. Touches no warehouse.

    `model` may be another than people.sql; then it is about that file's columns.

    An attribute that is made of nothing from Stripe has an empty tuple. DuckDB may run SQL that cannot be followed
    here: the lineage of all attributes leaves out what stands behind it, so that a run never fails for its sake; the
    lineage of one raises ModelError with the place. So does an attribute that people.sql does not give.
    """
    models = load_models(policy.models.folder)
    trees: dict[str, exp.Expression] = {}
    for file in models:
        try:
            if file is not models.functions:
                trees[file.name] = _parsed(file)
        except ModelError:
            if attribute is not None:
                raise
    tracer = Tracer(trees, models)
    names = tracer.columns(model) if tracer.can_name(model) else _columns_of(policy, model)
    names = [name for name in names if model != "people" or name != "person_id"]
    if attribute is not None:
        if attribute not in names:
            where = getattr(models, model).where
            raise ModelError(f"{where} gives no attribute {visible(attribute)}.", f"It gives: {', '.join(names)}.")
        names = [attribute]
    return {name: tuple(dict.fromkeys(tracer.trace(model, name))) for name in names}


def meanings(policy: Policy) -> dict[str, str]:
    """Say in words what attributes mean that people.sql computes as the built-in one does."""
    known, ours = _builtin()
    try:
        theirs = _expressions(load_models(policy.models.folder).people)
    except ModelError:
        return {}
    return {name: meaning for name, meaning in known.items() if name in ours and theirs.get(name) == ours[name]}


@cache
def _builtin() -> tuple[dict[str, str], dict[str, str]]:
    """Give the meanings of the built-in attributes, and their SQL."""
    text = files("stripe_cio_pipeline.model").joinpath("attributes.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text), _expressions(load_models(None).people)


@lru_cache(maxsize=64)
def _expressions(file: ModelFile) -> dict[str, str]:
    query = _parsed(file)
    return {column.alias_or_name: column.sql() for column in query.selects} if isinstance(query, exp.Query) else {}


def _columns_of(policy: Policy, model: str) -> list[str]:
    """Ask DuckDB for the columns of a model whose own SQL does not tell them. None where it cannot run."""
    if model != "people":
        return list(MEMBER_COLUMNS if model == "members" else EVENT_COLUMNS)
    try:
        return [column.name for column in check_models(policy).columns]
    except ModelError:
        return []


# Parsing is most of the work, and a file is asked about once for each model that reads it. Trees are only read.
@lru_cache(maxsize=64)
def _parsed(file: ModelFile) -> exp.Expression:
    try:
        return as_expression(sqlglot.parse_one(file.query, dialect="duckdb"))
    except SqlglotError as error:
        found = getattr(error, "errors", None) or [{}]
        place = f":{found[0]['line']}:{found[0]['col']}" if "line" in found[0] else ""
        raise ModelError(
            f"{file.where}{place}: this SQL cannot be followed to its sources.",
            "DuckDB may run it all the same; write it in plainer SQL to see its lineage.",
        ) from None
