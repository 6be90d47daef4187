"""Break the SQL that decides, one place at a time, and name what no test notices: a part of `make mutants`.

mutmut knows Python only. Each statement is read with sqlglot and written again with one thing changed: a comparison, a
side of `and` and `or`, a branch of `case` or `union`, the order of `coalesce`, a `left join`. A process of its own then
runs the tests until one fails. `python -m tests.sql_mutants decisions facts` breaks these statements alone.
"""

import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import sqlglot
from sqlglot import exp

from stripe_cio_pipeline.warehouse import Statements, statements

PACKAGE = "stripe_cio_pipeline.plan.sql"
#: What decides: whom to look at, what is done about each, which events go, what acceptance makes of the ledger.
DECIDING = (
    "compared",
    "candidates",
    "wanted",
    "addresses",
    "suppressed_people",
    "id_holders",
    "joined_people",
    "facts",
    "rings",
    "steps",
    "decisions",
    "planned_people",
)
TESTS = ("identity", "acceptance", "planning", "removed", "guests", "attribute_types")
#: Longer than all tests take; what never ends is noticed too.
SECONDS = 600

_TURNED: dict[type[exp.Expression], type[exp.Expression]] = {
    exp.EQ: exp.NEQ,
    exp.NEQ: exp.EQ,
    exp.LT: exp.LTE,
    exp.LTE: exp.LT,
    exp.GT: exp.GTE,
    exp.GTE: exp.GT,
    exp.NullSafeEQ: exp.NullSafeNEQ,
    exp.NullSafeNEQ: exp.NullSafeEQ,
}


@dataclass(frozen=True)
class Mutant:
    """A statement with one thing changed."""

    name: str
    change: str
    sql: str


def read(sql: str) -> list[exp.Expression]:
    """Read what stands under one name: mostly one statement."""
    return [tree for tree in sqlglot.parse(sql, dialect="duckdb") if tree is not None]


def written(trees: list[exp.Expression]) -> str:
    """Write statements as DuckDB reads them."""
    return ";\n".join(tree.sql(dialect="duckdb", comments=False) for tree in trees)


def mutants(name: str, sql: str) -> Iterator[Mutant]:
    """Give every mutant of a statement, in the order of its text."""
    trees = read(sql)
    for number, tree in enumerate(trees):
        for place, node in enumerate(tree.walk()):
            for words, change in _changes(node):
                copy = tree.copy()
                broken = next(found for index, found in enumerate(copy.walk()) if index == place)
                replacement = change(broken)
                if broken is copy:
                    copy = replacement
                else:
                    broken.replace(replacement)
                texts = [
                    (copy if index == number else other).sql(dialect="duckdb") for index, other in enumerate(trees)
                ]
                yield Mutant(name, f"{node.sql(dialect='duckdb')}  =>  {words}", ";\n".join(texts))


Change = Callable[[exp.Expression], exp.Expression]


def _changes(node: exp.Expression) -> Iterator[tuple[str, Change]]:
    if turned := _TURNED.get(type(node)):
        yield turned.__name__, lambda found: turned(this=found.this.copy(), expression=found.expression.copy())
    if isinstance(node, exp.And | exp.Or):
        yield "its left side", lambda found: found.this.copy()
        yield "its right side", lambda found: found.expression.copy()
    if isinstance(node, exp.Not):
        yield "without not", lambda found: found.this.copy()
    if isinstance(node, exp.In | exp.Is) and not isinstance(node.parent, exp.Not):
        yield "not", lambda found: exp.Not(this=exp.paren(found.copy()))
    if isinstance(node, exp.Union):
        yield "its first half", lambda found: found.this.copy()
        yield "its second half", lambda found: found.expression.copy()
    if isinstance(node, exp.Coalesce):
        yield "the other way round", _turn_round
    if isinstance(node, exp.Case):
        for branch in range(len(node.args["ifs"])):
            yield f"without branch {branch + 1}", lambda found, branch=branch: _without(found, branch)
    if isinstance(node, exp.Join) and node.args.get("side") == "LEFT" and node.args.get("kind") in (None, ""):
        yield "an inner join", _inner


def _turn_round(found: exp.Expression) -> exp.Expression:
    first, *rest = [part.copy() for part in (found.this, *found.expressions)]
    return exp.Coalesce(this=rest[-1], expressions=[*rest[:-1], first])


def _without(found: exp.Expression, branch: int) -> exp.Expression:
    case = found.copy()
    branches = case.args["ifs"]
    if len(branches) == 1:
        return case.args.get("default") or exp.null()
    case.set("ifs", branches[:branch] + branches[branch + 1 :])
    return case


def _inner(found: exp.Expression) -> exp.Expression:
    join = found.copy()
    join.set("side", None)
    return join


def notice(mutant: Mutant, first: list[str]) -> str | None:
    """Name the test that fails, in a process of its own; None where all pass. Some are run `first`."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(SECONDS)
        statements._read(PACKAGE)[mutant.name] = mutant.sql
        noticed = _Noticed()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            files = [f"tests/plan/test_{name}.py" for name in TESTS]
            pytest.main(["-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *first, *files], plugins=[noticed])
        os.write(writing, noticed.test.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        test = answer.read()
    _, status = os.waitpid(child, 0)
    return test or (None if status == 0 else "nothing came back")


class _Noticed:
    def __init__(self) -> None:
        self.test = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.test = self.test or report.nodeid


def main(names: list[str]) -> int:
    """Break these statements; print what survives, and give 1 where anything did."""
    sql = Statements(PACKAGE)
    survivors = made = 0
    # What noticed one mutant often notices the next.
    lately: list[str] = []
    for name in names or DECIDING:
        found = list(mutants(name, sql[name]))
        if failed := notice(Mutant(name, "nothing", written(read(sql[name]))), []):
            print(f"{name}: written again without any change it fails {failed}")
            return 1
        for mutant in found:
            made += 1
            test = notice(mutant, lately)
            if test in lately:
                lately.remove(test)
            lately = [test, *lately][:12] if test and "::" in test else lately
            if test is None:
                survivors += 1
                print(f"survived in {name}: {mutant.change}", flush=True)
        print(f"{name}: {len(found)} mutants", flush=True)
    print(f"{survivors} of {made} mutants survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
