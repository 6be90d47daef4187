"""The model over an account that lives, read from the sandbox as from Stripe."""

from collections import defaultdict

import pytest

from stripe_cio_pipeline.cli.demo_proof import same
from stripe_cio_pipeline.cli.demo_stripe import read_truth
from stripe_cio_pipeline.cli.demo_truth import expected_attributes
from stripe_cio_pipeline.extract import extract
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.sandbox import Sandbox
from stripe_cio_pipeline.settings import load_settings
from tests.model.account import Account

PEOPLE = "select * exclude (_seq) from model.people order by person_id"


def test_days_that_pass_give_the_same_as_building_anew_and_every_attribute_is_right(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(seed=11, customers=40) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        settings = load_settings()
        extract(account.warehouse, settings, Policy(), run_id="run-0")
        assert account.build().full
        for day in range(1, 4):
            sandbox.clock.advance(days=2)
            extract(account.warehouse, settings, Policy(), run_id=f"run-{day}")
            report = account.build()
            assert not report.full
            assert report.changed < report.people
        truth = read_truth(sandbox)
    day_by_day = account.rows(PEOPLE)

    account.build(full=True)

    assert account.rows(PEOPLE) == day_by_day
    customers: dict[str, list[str]] = defaultdict(list)
    for member in account.rows("from model.members"):
        customers[member["person_id"]].append(member["customer_id"])
    wrong = [
        (person["person_id"], name, value, person[name])
        for person in day_by_day
        for name, value in expected_attributes(truth, customers[person["person_id"]], person["person_id"]).items()
        if not same(value, person[name])
    ]
    assert wrong == []
    assert any(person["_source_event_id"] for person in day_by_day)
