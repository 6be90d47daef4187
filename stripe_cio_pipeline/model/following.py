"""Following a column through the selects of all models: what its names mean, and what these are made of."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from sqlglot import exp

from stripe_cio_pipeline.model.expressions import ELEMENT, Bound, Path, flattened, parts_of, written
from stripe_cio_pipeline.model.files import RAW, Models
from stripe_cio_pipeline.model.report import ColumnSource
from stripe_cio_pipeline.model.syntax import place

#: sqlglot does not tell where this stands.
_PATTERN = re.compile(r"\bcolumns\s*\(", re.IGNORECASE)

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


@dataclass(slots=True)
class _Scope:
    """One `select` with what its names mean: relations by alias, and queries by their names in `with`.

    `outer` is the select around a query that stands in an expression: it sees its names too.
    """

    select: exp.Select
    home: str
    named: Mapping[str, "_Query"]
    outer: "_Scope | None" = None
    relations: dict[str, "_Relation"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Query:
    """A query inside a model, with the `with` names that it sees."""

    tree: exp.Expression
    home: str
    named: Mapping[str, "_Query"]
    outer: _Scope | None = None


@dataclass(frozen=True, slots=True)
class _Table:
    """A table that is not made inside this model: a raw one, or another model."""

    name: str
    raw: bool


@dataclass(frozen=True, slots=True)
class _Seed:
    """A table of the user's own."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Given:
    """A table that is made of nothing of Stripe's: constants, the policy, what the model keeps. None: any column."""

    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Lost:
    """What cannot be followed."""


@dataclass(frozen=True, slots=True)
class _Unnested:
    """A list in `from`, one row per element, or another function there."""

    scope: _Scope
    value: exp.Expression


_Relation = _Query | _Table | _Seed | _Given | _Lost | _Unnested
_GIVEN = {
    "identity": ("strategy", "metadata_key"),
    "not_granted": ("object",),
    "owners": ("email_key", "person_id"),
}


class Tracer:
    """Follows columns through the parsed models, each by its name."""

    def __init__(self, trees: Mapping[str, exp.Expression], models: Models) -> None:
        self._trees = trees
        self._typed = {file.name for file in models.objects}
        self._where = {file.name: file.where for file in models}
        self._sql = {file.name: file.sql for file in models}
        self._seeds = {seed.name: seed for seed in models.seeds}
        self._scopes: dict[int, _Scope] = {}
        self._names: dict[int, list[str]] = {}
        # Attributes share most of their way: where each goes all of it anew, all take 20 times as long.
        self._columns: dict[int, list[tuple[str, exp.Expression | _Relation]]] = {}
        self._made_of: dict[tuple[int, str, Path], tuple[ColumnSource, ...]] = {}
        # Looked for once, because nearly no model has any.
        self._with_patterns = {name for name, tree in trees.items() if tree.find(exp.Columns) is not None}

    def can_name(self, model: str) -> bool:
        """Whether a model's own SQL tells all its columns."""
        return model in self._trees and self._is_closed(_Query(self._trees[model], model, {}))

    def columns(self, model: str) -> list[str]:
        """Name a model's columns, in order."""
        return list(self._outputs(_Query(self._trees[model], model, {})))

    def trace(self, model: str, column: str) -> Iterator[ColumnSource]:
        """Give the Stripe fields that a model's column is made of."""
        if model in self._trees:
            yield from self._query(_Query(self._trees[model], model, {}), column, (), ())
        else:
            yield ColumnSource("", "", (), self._where[model])

    # Names.

    def _branches(self, query: _Query) -> Iterator[_Scope]:
        """Give the selects of a query: several where it is a union."""
        tree, named = query.tree, dict(query.named)
        if isinstance(tree, exp.Subquery):
            tree = tree.this
        if isinstance(tree, exp.Query):
            for cte in tree.ctes:
                named[cte.alias] = _Query(cte.this, query.home, dict(named), query.outer)
        if isinstance(tree, exp.SetOperation):
            yield from self._branches(_Query(as_expression(tree.left), query.home, named, query.outer))
            yield from self._branches(_Query(as_expression(tree.right), query.home, named, query.outer))
        elif isinstance(tree, exp.Subquery):
            yield from self._branches(_Query(tree, query.home, named, query.outer))
        elif isinstance(tree, exp.Select):
            yield self._scope(tree, query, named)

    def _scope(self, select: exp.Select, query: _Query, named: Mapping[str, _Query]) -> _Scope:
        known = self._scopes.get(id(select))
        if known is not None:
            return known
        scope = _Scope(select, query.home, named, query.outer)
        self._scopes[id(select)] = scope
        first = select.args.get("from_") or select.args.get("from")
        parts = ([first.this] if first else []) + [join.this for join in select.args.get("joins") or []]
        for part in parts:
            scope.relations[part.alias_or_name] = self._relation(scope, part)
        return scope

    def _relation(self, scope: _Scope, part: exp.Expression) -> _Relation:
        renamed = bool(part.alias_column_names) or bool(part.args.get("pivots"))
        if isinstance(part, exp.Values):
            return _Given()
        if isinstance(part, exp.Subquery) and not renamed and not isinstance(part.this, exp.Pivot):
            return _Query(part.this, scope.home, scope.named, scope.outer)
        if isinstance(part, exp.Unnest):
            return _Unnested(scope, part.expressions[0])
        if not isinstance(part, exp.Table) or renamed:
            return _Lost()
        if not isinstance(part.this, exp.Identifier):
            return _Unnested(scope, part.this)
        if not part.db and part.name in scope.named:
            return scope.named[part.name]
        reads_raw = scope.home in self._typed or (scope.home == "events" and part.name == "events")
        if not part.db and part.name in self._seeds:
            return _Seed(part.name, self._seeds[part.name].columns)
        if (part.db == "stripe" or (not part.db and reads_raw)) and part.name in (*RAW, "events"):
            return _Table(part.name, raw=True)
        if part.db in {"", "model"} and part.name in self._trees:
            return _Table(part.name, raw=False)
        return _Given(_GIVEN[part.name]) if part.name in _GIVEN else _Lost()

    def _has(self, relation: _Relation, column: str) -> bool:
        return column in self._relation_columns(relation)

    def _is_closed(self, query: _Query) -> bool:
        """Whether all columns of a query are known."""
        return all(
            all(self._is_known(scope, projection) for projection in scope.select.expressions)
            for scope in self._branches(query)
        )

    def _is_known(self, scope: _Scope, projection: exp.Expression) -> bool:
        inner = projection.unalias()
        star = inner if isinstance(inner, exp.Star) else inner.this
        if not isinstance(star, exp.Star) or not isinstance(inner, (exp.Star, exp.Column)):
            return inner.find(exp.Columns) is None and not isinstance(star, exp.Star)
        only = inner.table if isinstance(inner, exp.Column) else ""
        return all(self._is_whole(relation) for alias, relation in scope.relations.items() if only in {"", alias})

    def _is_whole(self, relation: _Relation) -> bool:
        if isinstance(relation, _Query):
            return self._is_closed(relation)
        if isinstance(relation, _Table):
            return relation.raw or self.can_name(relation.name)
        return isinstance(relation, _Seed) or (isinstance(relation, _Given) and relation.columns is not None)

    def _outputs(self, query: _Query) -> list[str]:
        known = self._names.get(id(query.tree))
        if known is None:
            scope = next(self._branches(query), None)
            known = [] if scope is None else [name for name, _ in self._projections(scope)]
            self._names[id(query.tree)] = known
        return known

    def _projections(self, scope: _Scope) -> list[tuple[str, exp.Expression | _Relation]]:
        """Give a select's columns by name: an expression, or the relation that a star takes the column from."""
        known = self._columns.get(id(scope.select))
        if known is None:
            known = self._columns[id(scope.select)] = list(self._projected(scope))
        return known

    def _projected(self, scope: _Scope) -> Iterator[tuple[str, exp.Expression | _Relation]]:
        for projection in scope.select.expressions:
            star = projection if isinstance(projection, exp.Star) else projection.this
            if not isinstance(star, exp.Star):
                if projection.find(exp.Columns) is None or projection.alias:
                    yield projection.alias_or_name, projection.unalias()
                continue
            if not isinstance(projection, (exp.Star, exp.Column)):
                continue
            left_out = {column.name for column in star.args.get("except_") or star.args.get("except") or []}
            replaced = {column.alias: column.unalias() for column in star.args.get("replace") or []}
            renamed = {column.this.name: column.alias for column in star.args.get("rename") or []}
            only = projection.table if isinstance(projection, exp.Column) else ""
            for alias, relation in scope.relations.items():
                if only in {"", alias}:
                    for name in self._relation_columns(relation):
                        if name in replaced:
                            yield name, replaced[name]
                        elif name in renamed:
                            yield renamed[name], exp.column(name, table=alias)
                        elif name not in left_out:
                            yield name, relation

    def _relation_columns(self, relation: _Relation) -> list[str]:
        if isinstance(relation, _Table):
            return list(_RAW_COLUMNS) if relation.raw else self.columns(relation.name)
        if isinstance(relation, (_Seed, _Given)):
            return list(relation.columns or ())
        return self._outputs(relation) if isinstance(relation, _Query) else []

    # Values.

    def _query(self, query: _Query, column: str, path: Path, through: tuple[str, ...]) -> Iterator[ColumnSource]:
        key = (id(query.tree), column, path)
        known = self._made_of.get(key)
        if known is None:
            known = self._made_of[key] = tuple(dict.fromkeys(self._sources(query, column, path)))
        for source in known:
            yield replace(source, through=(*source.through, *through))

    def _sources(self, query: _Query, column: str, path: Path) -> Iterator[ColumnSource]:
        names = self._outputs(query)
        if column not in names:
            yield self._lost(query.home, query.tree, ())
            return
        index = names.index(column)
        for scope in self._branches(query):
            found = self._projections(scope)
            if index < len(found):
                yield from self._value(scope, found[index][0], found[index][1], path, ())

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
            yield from self._expression(relation.scope, relation.value, (ELEMENT, *path), through, {})
        elif isinstance(relation, _Seed):
            yield ColumnSource(f"seeds.{relation.name}", name, through)
        elif not isinstance(relation, _Table):
            return
        elif not relation.raw:
            inner = _Query(self._trees[relation.name], relation.name, {})
            yield from self._query(inner, name, path, (f"model.{relation.name}.{name}", *through))
        elif _RAW_COLUMNS[name] is not None:
            steps = path if name == "payload" else (str(_RAW_COLUMNS[name]),)
            yield ColumnSource(f"stripe.{relation.name}", written(steps), through)

    def _expression(
        self, scope: _Scope, value: exp.Expression, path: Path, through: tuple[str, ...], bound: Bound
    ) -> Iterator[ColumnSource]:
        if scope.home in self._with_patterns and not isinstance(value, exp.Query) and value.find(exp.Columns):
            yield self._lost(scope.home, value, through)
            return
        for part, rest, names in parts_of(value, path, bound):
            if isinstance(part, exp.Query):
                inner = _Query(part, scope.home, scope.named, scope)
                for name in self._outputs(inner)[:1]:
                    yield from self._query(inner, name, rest, through)
            elif isinstance(part, (exp.Column, exp.Dot)):
                yield from self._name(scope, part, rest, through, names)
            elif part is not value or rest != path:
                yield from self._expression(scope, part, rest, through, names)

    def _name(
        self, scope: _Scope, value: exp.Expression, path: Path, through: tuple[str, ...], bound: Bound
    ) -> Iterator[ColumnSource]:
        """Follow a dotted name: of a lambda's parameter, of a relation's column, or of a column alone."""
        base, steps = flattened(value)
        if not isinstance(base, str):
            yield from self._expression(scope, base, (*steps, *path), through, bound)
            return
        if base in bound:
            outer = {name: of for name, of in bound.items() if name != base}
            yield from self._expression(scope, bound[base], (ELEMENT, *steps, *path), through, outer)
            return
        around: _Scope | None = scope
        while around is not None:
            found = self._named(around, value, base, (*steps, *path))
            if found is not None:
                yield from self._found(around, found, through, bound)
                return
            around = around.outer
        yield self._lost(scope.home, value, through)

    def _named(
        self, scope: _Scope, value: exp.Expression, base: str, steps: Path
    ) -> tuple[_Relation | exp.Expression, str, Path] | None:
        """Find what a name means in a select: what the value is taken of, its column there, and the path into that."""
        relation = scope.relations.get(base)
        if isinstance(relation, (_Unnested, _Lost)):
            return relation, base, steps
        if isinstance(relation, _Given) and relation.columns is None:
            return relation, base, steps
        for other in scope.relations.values():
            if relation is None and self._has(other, base):
                return other, base, steps
        if relation is not None:
            return relation, steps[0] if steps else "", steps[1:]
        # DuckDB lets a select use its own aliases.
        for name, other_value in self._projections(scope):
            if (
                name == base
                and isinstance(other_value, exp.Expression)
                and value not in other_value.find_all(type(value))
            ):
                return other_value, "", steps
        unnamed = [other for other in scope.relations.values() if isinstance(other, _Unnested)]
        return (unnamed[0], base, steps) if len(unnamed) == 1 else None

    def _found(
        self, scope: _Scope, found: tuple[_Relation | exp.Expression, str, Path], through: tuple[str, ...], bound: Bound
    ) -> Iterator[ColumnSource]:
        meant, column, path = found
        if isinstance(meant, exp.Expression):
            yield from self._expression(scope, meant, path, through, bound)
        elif isinstance(meant, _Lost):
            yield self._lost(scope.home, scope.select, through)
        elif isinstance(meant, (_Unnested, _Given)) or self._has(meant, column):
            yield from self._column(meant, column, path, through)
        elif self._is_whole(meant):
            # A whole row: each of its columns.
            for name in self._relation_columns(meant):
                yield from self._column(meant, name, (), through)
        else:
            yield self._lost(scope.home, scope.select, through)

    def _lost(self, home: str, node: exp.Expression, through: tuple[str, ...]) -> ColumnSource:
        """Say where a value cannot be followed."""
        places = sorted(
            (part.meta["line"], part.meta["col"] - len(part.name) + 1)
            for part in node.find_all(exp.Identifier)
            if "line" in part.meta
        )
        if pattern := _PATTERN.search(self._sql[home]) if node.find(exp.Columns) else None:
            where = place(self._sql[home], pattern.start())
        else:
            where = f":{places[0][0]}:{places[0][1]}" if places else ""
        return ColumnSource("", "", through, self._where[home] + where)


def as_expression(tree: object) -> exp.Expression:
    """Give a node of a parsed query its type."""
    # sqlglot's annotations name a base class here; every node that its parser gives is an Expression.
    return cast("exp.Expression", tree)
