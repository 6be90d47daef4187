"""Stripe objects and the attributes that they give: the cases of tests/data/attributes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.model.account import Account
from tests.model.cases import Case, load_cases, together

CASES = load_cases()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """All cases side by side in one warehouse, built at once."""
    account = Account(tmp_path_factory.mktemp("cases") / "warehouse.duckdb")
    account.load(together(CASES))
    account.build()
    return account.people()


@pytest.mark.parametrize("case", CASES, ids=[f"{case.file}: {case.name}" for case in CASES])
def test_stripe_objects_give_these_attributes(case: Case, people: dict[str, dict[str, Any]]) -> None:
    for person_id, expected in case.expect.items():
        person = people[person_id]
        assert {name: person[name] for name in expected} == expected


def test_every_amount_prints_as_it_is_written(people: dict[str, dict[str, Any]]) -> None:
    for case in CASES:
        for person_id, expected in case.expect.items():
            for name, value in expected.items():
                if isinstance(value, float):
                    assert json.dumps(people[person_id][name]) == json.dumps(value)


def test_a_published_customer_becomes_a_person(account: Account, data: Path) -> None:
    published = json.loads((data / "stripe-published-fixtures.json").read_text())
    resources = published.get("resources", published)
    for kind in ("customer", "subscription", "invoice", "charge", "product", "price", "coupon"):
        account.put(f"{kind}s", resources[kind])
    account.put("customers", json.loads((data / "seed-customer.json").read_text()))

    account.build()

    assert {person["name"] for person in account.people().values()} == {"Wile E Coyote", None}
    known = account.person("cus_QXg1o8vcGmoR32")
    assert (known["plan"], known["subscription_status"], known["currency"]) == ("T-shirt", "active", "usd")


def test_fifty_metadata_keys_and_a_long_name_are_no_obstacle(account: Account) -> None:
    metadata = {f"key {number} 'ä'": "x" * 500 for number in range(50)}
    account.put("customers", {"id": "cus_1", "created": 1, "name": "n" * 600, "metadata": metadata})

    report = account.build()

    assert account.person("cus_1")["name"] == "n" * 600
    assert report.findings == ()
