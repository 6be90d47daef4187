"""`make mutants` breaks SQL where it decides, and only there."""

import pytest

from stripe_cio_pipeline.warehouse import Statements
from tests.sql_mutants import DECIDING, PACKAGE, mutants, read, written

SQL = "select a from t left join u on t.b = u.b where c <= 1 and not d union all select coalesce(e, f) from v"


def test_every_place_that_decides_is_broken_in_turn() -> None:
    changes = [mutant.change.split("  =>  ")[1] for mutant in mutants("it", SQL)]
    assert sorted(changes) == [
        "LT",
        "NEQ",
        "an inner join",
        "its first half",
        "its left side",
        "its right side",
        "its second half",
        "the other way round",
        "without not",
    ]


def test_a_mutant_differs_from_the_statement_in_one_place() -> None:
    (broken,) = [mutant.sql for mutant in mutants("it", SQL) if mutant.change.endswith("LT")]
    assert broken == written(read(SQL)).replace("c <= 1", "c < 1")


@pytest.mark.parametrize("name", DECIDING)
def test_what_decides_is_read_whole(name: str) -> None:
    sql = Statements(PACKAGE)[name]
    assert list(mutants(name, sql))
    assert written(read(written(read(sql)))) == written(read(sql))
