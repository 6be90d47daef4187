"""What raw Stripe objects say of money: the cases of tests/data/money, with the right values and why they are right.

A case is a folder: `input.json` has objects by type, as they lie in the warehouse, and `expected.json` the attributes
of people by customer, the data of events by event, and where these values come from.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.model.account import Account
from tests.model.cases import Case, money_cases, together

CASES = [case.apart(number) for number, case in enumerate(money_cases())]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Account:
    """All cases side by side in one warehouse, built at once."""
    account = Account(tmp_path_factory.mktemp("money") / "warehouse.duckdb")
    account.load(together(CASES))
    account.build()
    return account


@pytest.fixture(scope="module")
def people(account: Account) -> dict[str, dict[str, Any]]:
    return account.people()


@pytest.fixture(scope="module")
def events(account: Account) -> dict[str, dict[str, Any]]:
    return {row["event_id"]: json.loads(row["data"]) for row in account.rows("from model.events")}


@pytest.mark.parametrize("case", CASES, ids=[case.file for case in CASES])
def test_money_comes_out_right(
    case: Case, people: dict[str, dict[str, Any]], events: dict[str, dict[str, Any]]
) -> None:
    for person_id, expected in case.expect.items():
        assert {name: people[person_id][name] for name in expected} == expected
    for event_id, expected in case.events.items():
        assert {name: events[event_id].get(name) for name in expected} == expected


def test_a_coupon_whose_id_is_used_again_changes_nobody_who_had_the_old_one(tmp_path: Path) -> None:
    (case,) = (case for case in CASES if case.file == "04-coupon-id-used-again")
    account = Account(tmp_path / "warehouse.duckdb")
    account.load({kind: objects for kind, objects in case.objects.items() if kind != "coupons"})
    account.build()
    owner = next(iter(case.expect))
    before = account.person(owner)

    account.load({"coupons": case.objects["coupons"]})
    account.build()

    assert account.person(owner) | {"_seq": None} == before | {"_seq": None}
