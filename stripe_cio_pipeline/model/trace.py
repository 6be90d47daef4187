"""Following an attribute back to the Stripe fields that it is made of, through the SQL of all models.

What counts is what a value is made of, the conditions of a `case` included. What only chooses rows (`where`, joins, the
order that picks one of several) does not. A path into JSON is followed through structs, lists, lambdas and `unnest`, so
that the end is a field of Stripe's object: `items.data[].price.unit_amount`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, cast

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from stripe_cio_pipeline.errors import ModelError
from stripe_cio_pipeline.model.files import RAW, ModelFile, load_models
from stripe_cio_pipeline.policy import Policy

#: Columns that every raw table has beside the payload, with the payload's field that extraction takes them from.
_RAW_COLUMNS = {
    "id": "id",
    "customer_id": "customer",
    "created": "created",
    "livemode": "livemode",
    "deleted": "deleted",
    "type": "type",
    "as_of": None,
    "source": None,
    "source_event_id": None,
    "run_id": None,
    "content_hash": None,
    "seq": None,
    "read_at": None,
    "payload": "",
}

Path = tuple[str, ...]
#: One element of a list, on a path.
_ELEMENT = "[]"


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """A Stripe field that feeds an attribute.

    `table` is the raw table, `field` the path in its payload, `through` the columns of the models on the way, from
    Stripe's side to the attribute's.
    """

    table: str
    field: str
    through: tuple[str, ...]


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
    if model not in trees:
        return {}
    tracer = _Tracer(trees, models.objects)
    names = [name for name in tracer.columns(model) if model != "people" or name != "person_id"]
    if attribute is not None:
        if attribute not in names:
            where = getattr(models, model).where
            raise ModelError(f"{where} gives no attribute {attribute}.", f"It gives: {', '.join(names)}.")
        names = [attribute]
    return {name: tuple(dict.fromkeys(tracer.trace(model, name))) for name in names}


@dataclass(slots=True)
class _Scope:
    """One `select` with what its names mean: relations by alias, and queries by their names in `with`."""

    select: exp.Select
    home: str
    named: Mapping[str, "_Query"]
    relations: dict[str, "_Relation"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Query:
    """A query inside a model, with the `with` names that it sees."""

    tree: exp.Expression
    home: str
    named: Mapping[str, "_Query"]


@dataclass(frozen=True, slots=True)
class _Table:
    """A table that is not made inside this model: a raw one, or another model."""

    name: str
    raw: bool


@dataclass(frozen=True, slots=True)
class _Unnested:
    """A list in `from`, one row per element."""

    scope: _Scope
    value: exp.Expression


_Relation = _Query | _Table | _Unnested
#: Names of a lambda's parameters, each with the list whose elements it stands for.
_Bound = Mapping[str, exp.Expression]


class _Tracer:
    def __init__(self, trees: Mapping[str, exp.Expression], objects: tuple[ModelFile, ...]) -> None:
        self._trees = trees
        self._typed = {file.name for file in objects}
        self._scopes: dict[int, _Scope] = {}

    def columns(self, model: str) -> list[str]:
        """Name a model's columns, in order."""
        return list(self._outputs(_Query(self._trees[model], model, {})))

    def trace(self, model: str, column: str) -> Iterator[ColumnSource]:
        """Give the Stripe fields that a model's column is made of."""
        yield from self._query(_Query(self._trees[model], model, {}), column, (), ())

    # Names.

    def _branches(self, query: _Query) -> Iterator[_Scope]:
        """Give the selects of a query: several where it is a union."""
        tree, named = query.tree, dict(query.named)
        if isinstance(tree, exp.Subquery):
            tree = tree.this
        if isinstance(tree, exp.Query):
            for cte in tree.ctes:
                named[cte.alias] = _Query(cte.this, query.home, dict(named))
        if isinstance(tree, exp.SetOperation):
            yield from self._branches(_Query(_expression(tree.left), query.home, named))
            yield from self._branches(_Query(_expression(tree.right), query.home, named))
        elif isinstance(tree, exp.Subquery):
            yield from self._branches(_Query(tree, query.home, named))
        elif isinstance(tree, exp.Select):
            yield self._scope(tree, query.home, named)

    def _scope(self, select: exp.Select, home: str, named: Mapping[str, _Query]) -> _Scope:
        known = self._scopes.get(id(select))
        if known is not None:
            return known
        scope = _Scope(select, home, named)
        self._scopes[id(select)] = scope
        first = select.args.get("from_") or select.args.get("from")
        parts = ([first.this] if first else []) + [join.this for join in select.args.get("joins") or []]
        for part in parts:
            relation = self._relation(scope, part)
            if relation is not None:
                scope.relations[part.alias_or_name] = relation
        return scope

    def _relation(self, scope: _Scope, part: exp.Expression) -> _Relation | None:
        if isinstance(part, exp.Subquery):
            return _Query(part.this, scope.home, scope.named)
        if isinstance(part, exp.Unnest):
            return _Unnested(scope, part.expressions[0])
        if not isinstance(part, exp.Table):
            return None
        if not part.db and part.name in scope.named:
            return scope.named[part.name]
        reads_raw = scope.home in self._typed or (scope.home == "events" and part.name == "events")
        if part.db == "stripe" or (not part.db and reads_raw):
            return _Table(part.name, raw=True) if part.name in (*RAW, "events") else None
        if part.db in {"", "model"} and part.name in self._trees:
            return _Table(part.name, raw=False)
        return None

    def _has(self, relation: _Relation, column: str) -> bool:
        if isinstance(relation, _Table):
            return column in _RAW_COLUMNS if relation.raw else column in self.columns(relation.name)
        return isinstance(relation, _Query) and column in self._outputs(relation)

    def _outputs(self, query: _Query) -> list[str]:
        for scope in self._branches(query):
            return [name for name, _ in self._projections(scope)]
        return []

    def _projections(self, scope: _Scope) -> Iterator[tuple[str, exp.Expression | _Relation]]:
        """Give a select's columns by name: an expression, or the relation that a star takes the column from."""
        for projection in scope.select.expressions:
            star = projection if isinstance(projection, exp.Star) else projection.this
            if not isinstance(star, exp.Star):
                yield projection.alias_or_name, projection.unalias()
                continue
            left_out = {column.name for column in star.args.get("except_") or star.args.get("except") or []}
            only = projection.table if isinstance(projection, exp.Column) else ""
            for alias, relation in scope.relations.items():
                if only in {"", alias}:
                    for name in self._relation_columns(relation):
                        if name not in left_out:
                            yield name, relation

    def _relation_columns(self, relation: _Relation) -> list[str]:
        if isinstance(relation, _Table):
            return list(_RAW_COLUMNS) if relation.raw else self.columns(relation.name)
        return self._outputs(relation) if isinstance(relation, _Query) else []

    # Values.

    def _query(self, query: _Query, column: str, path: Path, through: tuple[str, ...]) -> Iterator[ColumnSource]:
        names = self._outputs(query)
        if column not in names:
            return
        index = names.index(column)
        for scope in self._branches(query):
            found = list(self._projections(scope))
            if index < len(found):
                yield from self._value(scope, found[index][0], found[index][1], path, through)

    def _value(
        self, scope: _Scope, name: str, value: exp.Expression | _Relation, path: Path, through: tuple[str, ...]
    ) -> Iterator[ColumnSource]:
        if isinstance(value, exp.Expression):
            yield from self._expression(scope, value, path, through, {})
        else:
            yield from self._column(value, name, path, through)

    def _column(self, relation: _Relation, name: str, path: Path, through: tuple[str, ...]) -> Iterator[ColumnSource]:
        if isinstance(relation, _Query):
            yield from self._query(relation, name, path, through)
        elif isinstance(relation, _Unnested):
            yield from self._expression(relation.scope, relation.value, (_ELEMENT, *path), through, {})
        elif not relation.raw:
            inner = _Query(self._trees[relation.name], relation.name, {})
            yield from self._query(inner, name, path, (f"model.{relation.name}.{name}", *through))
        elif _RAW_COLUMNS[name] is not None:
            steps = path if name == "payload" else (str(_RAW_COLUMNS[name]),)
            yield ColumnSource(f"stripe.{relation.name}", _written(steps), through)

    def _expression(
        self, scope: _Scope, value: exp.Expression, path: Path, through: tuple[str, ...], bound: _Bound
    ) -> Iterator[ColumnSource]:
        for part, rest, names in _parts(value, path, bound):
            if isinstance(part, exp.Query):
                inner = _Query(part, scope.home, scope.named)
                for name in self._outputs(inner)[:1]:
                    yield from self._query(inner, name, rest, through)
            elif isinstance(part, (exp.Column, exp.Dot)):
                yield from self._name(scope, part, rest, through, names)
            elif part is not value or rest != path:
                yield from self._expression(scope, part, rest, through, names)

    def _name(
        self, scope: _Scope, value: exp.Expression, path: Path, through: tuple[str, ...], bound: _Bound
    ) -> Iterator[ColumnSource]:
        """Follow a dotted name: of a lambda's parameter, of a relation's column, or of a column alone."""
        base, steps = _flattened(value)
        if not isinstance(base, str):
            yield from self._expression(scope, base, (*steps, *path), through, bound)
            return
        if base in bound:
            outer = {name: of for name, of in bound.items() if name != base}
            yield from self._expression(scope, bound[base], (_ELEMENT, *steps, *path), through, outer)
            return
        relation = scope.relations.get(base)
        if isinstance(relation, _Unnested):
            yield from self._column(relation, base, (*steps, *path), through)
        elif relation is not None and steps:
            yield from self._column(relation, steps[0], (*steps[1:], *path), through)
        else:
            for relation in scope.relations.values():
                if self._has(relation, base):
                    yield from self._column(relation, base, (*steps, *path), through)
                    return
            # DuckDB lets a select use its own aliases.
            for name, other in self._projections(scope):
                if name == base and isinstance(other, exp.Expression) and value not in other.find_all(type(value)):
                    yield from self._expression(scope, other, (*steps, *path), through, bound)
                    return


def _parts(value: exp.Expression, path: Path, bound: _Bound) -> Iterator[tuple[exp.Expression, Path, _Bound]]:
    """Give what a value is made of, each part with the path into it that is asked for."""
    if isinstance(value, (exp.Column, exp.Dot, exp.Query)):
        yield value, path, bound
    elif isinstance(value, exp.Identifier):
        yield exp.column(value.name), path, bound
    elif isinstance(value, exp.Struct):
        for item in value.expressions:
            if not path or item.this.name == path[0]:
                yield item.expression, path[1:], bound
    elif isinstance(value, exp.Case):
        if value.this is not None:
            yield value.this, (), bound
        for branch in value.args["ifs"]:
            yield branch.this, (), bound
            yield branch.args["true"], path, bound
        if value.args.get("default") is not None:
            yield value.args["default"], path, bound
    elif isinstance(value, exp.If):
        yield value.this, (), bound
        for branch in ("true", "false"):
            if value.args.get(branch) is not None:
                yield value.args[branch], path, bound
    elif isinstance(value, (exp.ArgMin, exp.ArgMax, exp.Filter, exp.Window, exp.Order)):
        yield value.this, path, bound
    elif isinstance(value, (exp.Explode, exp.Bracket)):
        yield value.this, (_ELEMENT, *path), bound
    elif isinstance(value, (exp.ArrayAgg, exp.Array)):
        rest = path[1:] if path[:1] == (_ELEMENT,) else path
        for item in value.expressions or [value.this]:
            if isinstance(item, exp.Expression):
                yield item, rest, bound
    elif isinstance(value, (exp.JSONExtract, exp.JSONExtractScalar)):
        yield value.this, (*_json_path(value.expression), *path), bound
    elif isinstance(value, exp.FromJson):
        yield value.this, path, bound
    elif isinstance(value, exp.Transform):
        rest = path[1:] if path[:1] == (_ELEMENT,) else path
        names = dict(bound) | {name.name: value.this for name in value.expression.expressions}
        yield value.expression.this, rest, names
    else:
        arguments = [child for child in value.iter_expressions() if not isinstance(child, (exp.DataType, exp.Lambda))]
        lambdas = [child for child in value.iter_expressions() if isinstance(child, exp.Lambda)]
        for child in arguments:
            yield child, path, bound
        for child in lambdas:
            names = dict(bound) | ({name.name: arguments[0] for name in child.expressions} if arguments else {})
            yield child.this, path, names


def _flattened(value: exp.Expression) -> tuple[str | exp.Expression, Path]:
    """Take `a.b.c` apart: the first name, or the expression that the dots are behind, and the names after it."""
    steps: list[str] = []
    while isinstance(value, exp.Dot):
        steps.insert(0, value.expression.name)
        value = value.this
    if isinstance(value, exp.Column):
        names = [part.name for part in value.parts]
        return names[0], (*names[1:], *steps)
    if isinstance(value, exp.Identifier):
        return value.name, tuple(steps)
    return value, tuple(steps)


def _json_path(path: exp.Expression) -> Path:
    if isinstance(path, exp.JSONPath):
        return tuple(
            str(part.this) if isinstance(part, exp.JSONPathKey) else _ELEMENT
            for part in path.expressions
            if not isinstance(part, exp.JSONPathRoot)
        )
    return ()


def _written(path: Path) -> str:
    return ".".join(path).replace(f".{_ELEMENT}", _ELEMENT)


def _expression(tree: object) -> exp.Expression:
    # sqlglot's annotations name a base class here; every node that its parser gives is an Expression.
    return cast("exp.Expression", tree)


# Parsing is most of the work, and a file is asked about once for each model that reads it. Trees are only read.
@lru_cache(maxsize=64)
def _parsed(file: ModelFile) -> exp.Expression:
    try:
        return _expression(sqlglot.parse_one(file.query, dialect="duckdb"))
    except SqlglotError as error:
        found = getattr(error, "errors", None) or [{}]
        place = f":{found[0]['line']}:{found[0]['col']}" if "line" in found[0] else ""
        raise ModelError(
            f"{file.where}{place}: this SQL cannot be followed to its sources.",
            "DuckDB may run it all the same; write it in plainer SQL to see its lineage.",
        ) from None
