"""Building over everything, and over what changed: both give the same."""

from itertools import zip_longest
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.model import build, copy_models, scope
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.warehouse import Warehouse
from tests.model.account import Account, Payload
from tests.model.cases import apart

PEOPLE = "select * exclude (_seq) from model.people order by person_id"


def customer(number: int, **fields: Any) -> Payload:
    return {
        "id": f"cus_{number}",
        "created": 100 + number,
        "email": f"customer-{number}@example.com",
        "currency": "usd",
        **fields,
    }


def subscription(number: int, owner: str | None, **fields: Any) -> Payload:
    price = {"id": "price_1", "product": "prod_1", "currency": "usd", "recurring": {"interval": "month"}}
    item = {"id": f"si_{number}", "quantity": 1, "price": {**price, "unit_amount": 1000 + number}}
    return {
        "id": f"sub_{number}",
        "customer": owner,
        "created": 200 + number,
        "status": "active",
        "currency": "usd",
        "items": {"data": [item]},
        **fields,
    }


def charge(number: int, owner: str | None, **fields: Any) -> Payload:
    return {
        "id": f"ch_{number}",
        "customer": owner,
        "created": 300 + number,
        "status": "succeeded",
        "currency": "usd",
        "amount": 500,
        "amount_captured": 500,
        "amount_refunded": 0,
        **fields,
    }


def outside(number: int, owner: str | None, **fields: Any) -> Payload:
    """Give an invoice that was paid outside Stripe."""
    return {
        "id": f"in_{number}",
        "customer": owner,
        "created": 400 + number,
        "status": "paid",
        "currency": "usd",
        "amount_remaining": 0,
        **fields,
    }


def record(number: int, invoice: int, **fields: Any) -> Payload:
    """Give a payment of an invoice that was made outside Stripe."""
    return {
        "id": f"inpay_{number}",
        "created": 500 + number,
        "invoice": f"in_{invoice}",
        "status": "paid",
        "currency": "usd",
        "payment": {"type": "payment_record"},
        **fields,
    }


def note(number: int, owner: str | None, invoice: int, **fields: Any) -> Payload:
    """Give a credit note that gave something back outside Stripe."""
    return {
        "id": f"cn_{number}",
        "customer": owner,
        "created": 600 + number,
        "invoice": f"in_{invoice}",
        "status": "issued",
        "currency": "usd",
        "out_of_band_amount": 100,
        **fields,
    }


def failed(number: int, owner: str, **fields: Any) -> Payload:
    invoice = {"id": f"in_{number}", "object": "invoice", "customer": owner, "currency": "usd", "amount_due": 1999}
    return {
        "id": f"evt_{number}",
        "type": "invoice.payment_failed",
        "created": 400 + number,
        "data": {"object": {**invoice, **fields}},
    }


def test_the_first_build_covers_everything(account: Account) -> None:
    account.put("customers", customer(1), customer(2))

    report = account.build()

    assert (report.full, report.people, report.changed, report.customers_changed) == (True, 2, 2, 2)


def test_a_build_after_no_change_computes_nothing(account: Account) -> None:
    account.put("customers", customer(1))
    account.build()
    before = account.rows("select * from pipeline.cursors")

    report = account.build()

    assert (report.full, report.people, report.changed) == (False, 1, 0)
    assert account.rows("select * from pipeline.cursors") == before


def test_a_change_computes_that_person_and_nobody_else(account: Account) -> None:
    account.put("customers", customer(1), customer(2))
    account.build()
    before = account.people()
    account.put("charges", charge(1, "cus_2"))

    report = account.build()

    assert (report.full, report.changed, report.customers_changed) == (False, 1, 1)
    after = account.people()
    assert after["cus_1"] == before["cus_1"]
    assert after["cus_2"]["lifetime_value"] == 5.0
    assert after["cus_2"]["_seq"] > before["cus_2"]["_seq"]


def test_whoever_shares_the_email_is_computed_too(account: Account) -> None:
    account.put("customers", customer(1), customer(2))
    account.build()
    account.put("customers", customer(3, email=" CUSTOMER-1@example.com"))

    report = account.build()

    assert report.changed == 1
    assert account.person("cus_1")["stripe_customer_ids"] == ["cus_1", "cus_3"]


def test_a_customer_who_leaves_a_shared_email_becomes_a_person(account: Account) -> None:
    account.put("customers", customer(1), customer(2, email="customer-1@example.com"))
    account.build()
    assert set(account.people()) == {"cus_1"}
    account.put("customers", customer(2))

    account.build()

    assert {person: row["stripe_customer_ids"] for person, row in account.people().items()} == {
        "cus_1": ["cus_1"],
        "cus_2": ["cus_2"],
    }


@pytest.mark.parametrize("few", [0, scope.FEW])
@pytest.mark.parametrize(("before", "after"), [("cus_1", "cus_2"), (None, "cus_2"), ("cus_1", None)])
def test_an_object_that_moves_touches_whose_it_was_and_whose_it_is(
    account: Account, before: str | None, after: str | None, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scope, "FEW", few)
    account.put("customers", customer(1), customer(2), customer(3))
    account.put("charges", charge(1, before), charge(2, "cus_3"))
    account.put("subscriptions", subscription(1, before), subscription(2, "cus_3"))
    account.build()
    account.put("charges", charge(1, after))
    account.put("subscriptions", subscription(1, after))

    report = account.build()

    assert (report.full, report.changed) == (False, len({before, after} - {None}))
    paid = {person: (row["lifetime_value"], row["subscription_id"]) for person, row in account.people().items()}
    nothing = (0.0, None)
    assert paid == {"cus_1": nothing, "cus_2": nothing, "cus_3": (5.0, "sub_2")} | (
        {after: (5.0, "sub_1")} if after else {}
    )
    assert account.rows("select id from model.charges order by id") == [{"id": "ch_1"}, {"id": "ch_2"}]


def test_a_renamed_product_reaches_its_subscribers(account: Account) -> None:
    account.put("customers", customer(1), customer(2))
    account.put("subscriptions", subscription(1, "cus_1"))
    account.put("products", {"id": "prod_1", "name": "Old"})
    account.build()
    account.put("products", {"id": "prod_1", "name": "New"})

    report = account.build()

    assert report.changed == 1
    assert account.person("cus_1")["plan"] == "New"


def test_tiers_that_arrive_later_reach_the_price_s_subscribers(account: Account) -> None:
    item = {"id": "si_1", "quantity": 3, "price": {"id": "price_9", "currency": "usd", "billing_scheme": "tiered",
            "tiers_mode": "volume", "recurring": {"interval": "month"}}}  # fmt: skip
    account.put("customers", customer(1))
    account.put("subscriptions", subscription(1, "cus_1", items={"data": [item]}))
    account.build()
    assert account.person("cus_1")["mrr"] is None
    account.put("prices", {"id": "price_9", "currency": "usd", "tiers": [{"up_to": None, "unit_amount": 700}]})

    account.build()

    assert account.person("cus_1")["mrr"] == 21.0


def test_a_deleted_customer_keeps_what_was_known_and_says_when(account: Account) -> None:
    account.put("customers", customer(1, name="Customer 1"))
    account.build()
    account.put("customers", customer(1, name="Customer 1"), deleted=True, as_of=900)

    account.build()

    person = account.person("cus_1")
    assert (person["stripe_deleted_at"], person["name"]) == (900, "Customer 1")


def test_the_newest_event_behind_a_person_is_known(account: Account) -> None:
    account.put("customers", customer(1), as_of=5)
    account.put("subscriptions", subscription(1, "cus_1"), as_of=7, event="evt_7")
    account.put("charges", charge(1, "cus_1"), as_of=6, event="evt_6")

    account.build()

    assert account.person("cus_1")["_source_event_id"] == "evt_7"


def test_a_dispute_that_ends_reaches_whose_charge_it_is(account: Account) -> None:
    account.put("customers", customer(1), customer(2))
    account.put("charges", charge(1, "cus_1", disputed=True), charge(2, "cus_2"))
    dispute = {"id": "dp_1", "charge": "ch_1", "amount": 500, "currency": "usd"}
    account.put("disputes", {**dispute, "status": "under_review"})
    account.build()
    before = account.people()
    account.put("disputes", {**dispute, "status": "won"})

    report = account.build()

    assert before["cus_1"]["lifetime_value"] == 0.0
    assert account.person("cus_1")["lifetime_value"] == 5.0
    assert report.changed == 1


def test_a_payment_outside_stripe_reaches_whose_invoice_it_is(account: Account) -> None:
    account.put("customers", customer(1), customer(2))
    account.put("invoices", outside(1, "cus_1", amount_paid_off_stripe=0))
    account.build()
    account.put("invoice_payments", record(1, 1, amount_paid=700))

    report = account.build()

    assert account.person("cus_1")["lifetime_value"] == 7.0
    assert report.changed == 1


def test_what_the_key_may_not_read_is_not_known_until_it_may(account: Account) -> None:
    account.put("customers", customer(1), customer(2), customer(3))
    account.put("charges", charge(1, "cus_1", disputed=True), charge(2, "cus_2"))
    credited = outside(3, "cus_3", amount_paid_off_stripe=900, post_payment_credit_notes_amount=100)
    account.put("invoices", credited)
    _grant(account, but_not=("disputes", "credit_notes"))
    account.build()
    refused = account.people()
    _grant(account, but_not=())

    account.build()

    granted = account.people()
    assert [refused[f"cus_{number}"]["lifetime_value"] for number in (1, 2, 3)] == [None, 5.0, None]
    assert [granted[f"cus_{number}"]["lifetime_value"] for number in (1, 2, 3)] == [0.0, 5.0, 8.0]


def _grant(account: Account, *, but_not: tuple[str, ...]) -> None:
    with account.warehouse.transaction() as connection:
        connection.execute("delete from pipeline.not_granted")
        for name in but_not:
            connection.execute("insert into pipeline.not_granted values (?, 'rak_some_read', 'run-1')", [name])


def test_another_strategy_computes_everybody_anew(account: Account) -> None:
    account.put("customers", customer(1, metadata={"user": " u-1 "}), customer(2))
    account.build()
    assert account.person("cus_1")["id"] == "cus_1"

    report = account.build({"identity": {"strategy": "metadata", "metadata_key": "user"}})
    assert report.full
    assert [person["id"] for person in account.people().values()] == ["u-1", None]

    account.build({"identity": {"strategy": "email"}})
    assert [person["id"] for person in account.people().values()] == [None, None]


def test_new_events_are_added_once(account: Account) -> None:
    account.put("customers", customer(1))
    account.put("events", failed(1, "cus_1"))
    account.build()
    account.put("events", failed(2, "cus_1"))
    report = account.build()
    account.build()

    assert report.events == 2
    assert [row["event_id"] for row in account.rows("from model.events order by event_id")] == ["evt_1", "evt_2"]


EMAILS = [None, "a@example.com", "A@example.com ", "b@example.com", "none"]
NUMBERS = st.integers(1, 4)
OWNERS = st.one_of(st.none(), NUMBERS.map(lambda number: f"cus_{number}"))
CHANGES = st.one_of(
    st.tuples(st.just("customers"), st.builds(lambda n, e: customer(n, email=e), NUMBERS, st.sampled_from(EMAILS))),
    st.tuples(
        st.just("subscriptions"),
        st.builds(
            lambda n, o, s: subscription(n, o, status=s),
            NUMBERS,
            OWNERS,
            st.sampled_from(["active", "trialing", "canceled"]),
        ),
    ),
    st.tuples(
        st.just("charges"),
        st.builds(lambda n, o, r: charge(n, o, amount_refunded=r), NUMBERS, OWNERS, st.sampled_from([0, 100])),
    ),
    st.tuples(
        st.just("disputes"),
        st.builds(
            lambda n, c, s: {"id": f"dp_{n}", "charge": f"ch_{c}", "status": s, "amount": 300, "currency": "usd"},
            NUMBERS,
            NUMBERS,
            st.sampled_from(["needs_response", "won", "lost"]),
        ),
    ),
    st.tuples(
        st.just("invoices"),
        st.builds(lambda n, o, p: outside(n, o, amount_paid_off_stripe=p), NUMBERS, OWNERS, st.sampled_from([0, 500])),
    ),
    st.tuples(
        st.just("invoice_payments"),
        st.builds(lambda n, i, a: record(n, i, amount_paid=a), NUMBERS, NUMBERS, st.sampled_from([100, 200])),
    ),
    st.tuples(
        st.just("credit_notes"),
        st.builds(
            lambda n, o, i, s: note(n, o, i, status=s), NUMBERS, OWNERS, NUMBERS, st.sampled_from(["issued", "void"])
        ),
    ),
    st.tuples(st.just("products"), st.builds(lambda n: {"id": "prod_1", "name": n}, st.sampled_from(["Basic", "Pro"]))),
    st.tuples(
        st.just("customers"),
        st.builds(lambda n: customer(n, email="a@example.com", deleted=True, as_of=900), NUMBERS),
    ),
)
STEPS = st.lists(st.lists(CHANGES, min_size=1, max_size=3), min_size=1, max_size=4)


#: Accounts change side by side, because a build of many costs what a build of one does.
#: The suite plays 26 of them, the gauntlet 1,300.
ACCOUNTS = st.lists(STEPS, min_size=13, max_size=13)


@pytest.mark.parametrize("few", [0, scope.FEW])
@settings(max_examples=2, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(accounts=ACCOUNTS)
def test_any_sequence_of_changes_gives_the_same_as_building_anew(
    few: int,
    accounts: list[list[list[tuple[str, Payload]]]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scope, "FEW", few)
    changes_give_the_same_as_building_anew(accounts, tmp_path_factory)


@pytest.mark.gauntlet
@pytest.mark.parametrize("few", [0, scope.FEW])
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(accounts=ACCOUNTS)
def test_any_long_sequence_of_changes_gives_the_same_as_building_anew(
    few: int,
    accounts: list[list[list[tuple[str, Payload]]]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scope, "FEW", few)
    changes_give_the_same_as_building_anew(accounts, tmp_path_factory)


def changes_give_the_same_as_building_anew(
    accounts: list[list[list[tuple[str, Payload]]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    account = Account(tmp_path_factory.mktemp("sequence") / "warehouse.duckdb")
    for steps in zip_longest(*accounts, fillvalue=[]):
        changes: dict[str, dict[str, Payload]] = {}
        for number, step in enumerate(steps):
            for kind, payload in step:
                moved = apart(payload, number)
                changes.setdefault(kind, {})[moved["id"]] = moved
        for kind, payloads in changes.items():
            account.put(kind, *payloads.values())
        account.build()
    changed = account.rows(PEOPLE)
    members = account.rows("from model.members order by customer_id")

    account.build(full=True)

    assert account.rows(PEOPLE) == changed
    assert account.rows("from model.members order by customer_id") == members

    with account.warehouse.transaction() as connection:
        connection.execute("drop table model.people; drop table model.members")
    account.build(full=True)

    assert account.rows(PEOPLE) == changed
    assert account.rows("from model.members order by customer_id") == members


def test_everybody_anew_leaves_rows_that_are_the_same_as_they_stand(account: Account, tmp_path: Path) -> None:
    account.put("customers", customer(1), customer(2), customer(3, email="customer-2@example.com"))
    account.put("subscriptions", subscription(1, "cus_1", quantity=2))
    account.build()
    before = account.people()
    edited = (tmp_path / "models" / "people.sql").resolve()
    copy_models(edited.parent, everything=True)
    edited.write_text(edited.read_text().replace("owners.name as name", "'Customer of ' || owners.currency as name"))
    account.put("customers", customer(1, currency=None))

    report = account.build({"models": {"folder": str(edited.parent)}})

    assert (report.full, report.people, report.changed) == (True, 2, 2)
    after = account.people()
    assert after["cus_2"]["name"] == "Customer of usd"
    assert after["cus_2"]["_seq"] > before["cus_2"]["_seq"]

    account.build({"models": {"folder": str(edited.parent)}}, full=True)

    assert account.people() == after


def test_everybody_anew_drops_who_is_no_person_any_more(account: Account) -> None:
    account.put("customers", customer(1), customer(2))
    account.build()
    before = account.people()
    account.put("customers", customer(2, email="customer-1@example.com"))

    report = account.build(full=True)

    assert (report.people, set(account.people())) == (1, {"cus_1"})
    assert account.person("cus_1")["_seq"] > before["cus_1"]["_seq"]


@pytest.mark.parametrize("how", [{}, {"full": True}, {"full": True, "part_size": 1}])
def test_who_leaves_the_model_is_told_to_the_plan(account: Account, how: dict[str, Any]) -> None:
    account.put("customers", customer(1), customer(2), customer(3))
    account.build()
    account.put("customers", customer(3, email="customer-1@example.com"))

    build(account.warehouse, Policy(), run_id="run-2", **how)

    assert account.rows("from model.former_people") == [{"person_id": "cus_3"}]


def test_everybody_anew_moves_people_whose_deletion_no_attribute_tells(account: Account, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "people.sql").write_text("select id as person_id, id, email from customers")
    account.put("customers", customer(1), customer(2))
    account.build({"models": {"folder": str(folder)}})
    before = account.people()
    account.put("customers", customer(2), deleted=True)

    account.build({"models": {"folder": str(folder)}}, full=True)

    after = account.people()
    assert after["cus_1"] == before["cus_1"]
    assert after["cus_2"]["_seq"] > before["cus_2"]["_seq"]


def test_everybody_anew_says_again_what_is_over_a_limit(account: Account) -> None:
    account.put("customers", customer(1, name="n" * 1200), customer(2))
    account.build()

    for policy, action, name in (({}, "dropped", None), ({"oversize_value": "truncate"}, "truncated", "n" * 1000)):
        report = account.build({"customerio": policy}, full=True)

        assert [(found.column, found.action, found.people) for found in report.findings] == [("name", action, 1)]
        assert account.person("cus_1")["name"] == name


def test_people_computed_in_parts_are_the_same(account: Account) -> None:
    account.put("customers", *(customer(number, email=f"customer-{number // 2}@example.com") for number in range(12)))
    account.put("subscriptions", *(subscription(number, f"cus_{number}") for number in range(12)))
    account.build()
    at_once = account.rows(PEOPLE)

    build(account.warehouse, Policy(), run_id="run-2", full=True, part_size=3)

    assert account.rows(PEOPLE) == at_once
    assert len(at_once) == 6


@pytest.mark.file_is_shared
def test_from_its_beginning_on_a_build_lets_nobody_change_a_setting(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    with warehouse.connect() as beside:
        beside.execute("set threads = 2")
        build(warehouse, Policy(), run_id="run-1")
        with pytest.raises(duckdb.InvalidInputException, match="locked"):
            beside.execute("set threads = 1")
