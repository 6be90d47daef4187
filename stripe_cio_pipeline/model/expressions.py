"""Taking an expression of SQL apart: what a value is made of, each part with the path into it that is asked for."""

from collections.abc import Iterator, Mapping

from sqlglot import exp

Path = tuple[str, ...]
#: One element of a list, on a path.
ELEMENT = "[]"
#: Names of a lambda's parameters, each with the list whose elements it stands for.
Bound = Mapping[str, exp.Expression]


def parts_of(value: exp.Expression, path: Path, bound: Bound) -> Iterator[tuple[exp.Expression, Path, Bound]]:
    """Give what a value is made of, each part with the path into it that is asked for."""
    if isinstance(value, (exp.Column, exp.Dot, exp.Query)):
        yield value, path, bound
    elif isinstance(value, exp.Identifier):
        yield exp.column(value), path, bound
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
        yield value.this, (ELEMENT, *path), bound
    elif isinstance(value, (exp.ArrayAgg, exp.Array)):
        rest = path[1:] if path[:1] == (ELEMENT,) else path
        for item in value.expressions or [value.this]:
            if isinstance(item, exp.Expression):
                yield item, rest, bound
    elif isinstance(value, (exp.JSONExtract, exp.JSONExtractScalar)):
        yield value.this, (*_json_path(value.expression), *path), bound
    elif isinstance(value, exp.FromJson):
        yield value.this, path, bound
    elif isinstance(value, exp.Transform):
        rest = path[1:] if path[:1] == (ELEMENT,) else path
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


def flattened(value: exp.Expression) -> tuple[str | exp.Expression, Path]:
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
            str(part.this) if isinstance(part, exp.JSONPathKey) else ELEMENT
            for part in path.expressions
            if not isinstance(part, exp.JSONPathRoot)
        )
    return ()


def written(path: Path) -> str:
    """Write a path as people do: `items.data[].price`."""
    return ".".join(path).replace(f".{ELEMENT}", ELEMENT)
