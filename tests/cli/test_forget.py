"""After `forget`, no byte of a person stands under the home folder, and nothing that Stripe tells brings one back."""

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from stripe_cio_pipeline.listening.envelope import Owner, open_envelope
from stripe_cio_pipeline.listening.inbox import Inbox
from stripe_cio_pipeline.sandbox import Sandbox
from tests.cli.conftest import POLICY, first_life, lived_on
from tests.snapshots import Snapshot
from tests.traces import traces

HOME = Path(".stripe_cio")
#: Whatever tells who somebody is, each with a word that stands nowhere else.
TOLD = {
    "email": "zanzibar-7@example.com",
    "name": "Quetzal Wunderlich",
    "phone": "+49 171 8675309",
    "description": "walks a dachshund",
    "address": {"line1": "Mulberry Crescent 12", "city": "Gloucesterville", "country": "DE", "postal_code": "99817"},
    "metadata": {"nickname": "Picklebarrel"},
}
WORDS = (
    *("zanzibar-7", "Quetzal", "Wunderlich", "8675309", "dachshund", "Mulberry", "Gloucesterville", "Picklebarrel"),
    # Links to invoices and receipts, and cards: nobody else here has any.
    *("invoice.example.com", "pay.example.com", '"last4":"', '"card_last4":"'),
)


@pytest.fixture(scope="module")
def past(cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Snapshot, str]]:
    """A customer with a past: a guest first, a subscription, payments, one that failed, events, a changed name."""
    from stripe_cio_pipeline.orchestration.development import prepare_home
    from stripe_cio_pipeline.settings import load_settings

    policy = POLICY + "\nevents: {guests: email}\n"
    with first_life(tmp_path_factory.mktemp("past"), policy) as (sandbox, take):
        assert cli("sync").exit_code == 0
        sandbox.stripe.refund(sandbox.stripe.create_charge(amount=700, email=TOLD["email"])["id"])
        sandbox.clock.advance(minutes=2)
        assert cli("sync", "--json").json["plan"]["by_reason"] == {"event_of_sought_guest": 1}
        customer = sandbox.stripe.create_customer(**TOLD)["id"]
        sandbox.stripe.attach_card(customer)
        subscription = sandbox.stripe.create_subscription(customer)
        sandbox.clock.advance(hours=1)
        assert cli("sync").exit_code == 0
        sandbox.stripe.update_customer(customer, name="Quetzal Wunderlich-Picklebarrel")
        sandbox.stripe.fail_payment(subscription["id"])
        sandbox.clock.advance(hours=1)
        # One run is recorded by Dagster too. It takes several times as long.
        recorded = prepare_home(load_settings())
        assert cli("sync").exit_code == 0
        (recorded / "dagster.yaml").unlink()
        assert cli("verify").exit_code == 0
        yield take(), str(customer)


@pytest.fixture
def sandbox(past: tuple[Snapshot, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Both sides as they are then, and the home folder here."""
    with lived_on(past[0], monkeypatch) as made:
        found = traces(HOME, WORDS)
        assert [word for word in WORDS if not any(trace.endswith(f": {word}") for trace in found)] == []
        yield made


@pytest.fixture
def lived(past: tuple[Snapshot, str], sandbox: Sandbox) -> str:
    """The customer's id."""
    return past[1]


def test_no_byte_stays_and_none_comes_back(cli, sandbox: Sandbox, lived: str) -> None:
    other = sandbox.stripe.create_customer(email="other@example.com", name="Other Person")["id"]
    sandbox.clock.advance(hours=1)
    assert cli("sync").exit_code == 0

    answer = cli("forget", lived, "--yes")

    assert answer.exit_code == 0, answer.words
    assert traces(HOME, WORDS) == []
    # Stripe tells of them again: by an event, by a comparison, by everything read anew.
    sandbox.stripe.update_customer(lived, name="Quetzal Wunderlich", phone=TOLD["phone"])
    sandbox.clock.advance(hours=1)
    for command in (("sync",), ("reconcile",), ("sync", "--full"), ("verify",)):
        assert cli(*command).exit_code == 0, command
        assert traces(HOME, WORDS) == [], command
    assert sandbox.customerio.person(id=lived) is None
    assert sandbox.customerio.person(id=other) is not None
    assert cli("status", "--json").json is not None


def test_what_waits_in_the_inbox_goes_too_and_does_not_come_back(cli, sandbox: Sandbox, lived: str) -> None:
    sandbox.stripe.update_customer(lived, name="Quetzal Wunderlich", phone=TOLD["phone"])
    told = [event for event in sandbox.stripe.events() if event["data"]["object"].get("id") == lived]
    other = sandbox.stripe.create_customer(email="other@example.com")["id"]
    told += [event for event in sandbox.stripe.events() if event["data"]["object"].get("id") == other]
    owner = Owner(None, livemode=False, connected=False)
    inbox = Inbox.under(HOME)
    inbox.store([open_envelope(json.dumps(event).encode(), 1_790_000_000, owner) for event in told])
    assert any(trace.startswith("inbox.sqlite") for trace in traces(HOME, WORDS))

    assert cli("forget", lived, "--yes").exit_code == 0

    assert traces(HOME, WORDS) == []
    assert {json.loads(each.body)["data"]["object"]["id"] for each in inbox.waiting(99)} == {other}
    inbox.close()
    sandbox.clock.advance(hours=1)
    for command in (("sync",), ("tidy",)):
        assert cli(*command).exit_code == 0, command
        assert traces(HOME, WORDS) == [], command


def test_it_looks_before_it_asks(cli, sandbox: Sandbox, lived: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who is not known is told without a question, and whoever says no has seen who was meant."""
    asked: list[str] = []

    def no(question: str, **_: object) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr("typer.confirm", no)
    unknown = cli("forget", "cus_nobody")
    assert (unknown.exit_code, asked) == (1, [])
    assert "Nobody in the warehouse is known by this id" in unknown.words
    refused = cli("forget", str(TOLD["email"]))
    assert refused.exit_code == 1
    assert f"{lived} is 1 Stripe customer with 1 email." in refused.words
    assert "In Customer.io the profile is deleted and suppressed" in refused.words
    assert len(asked) == 1
    assert sandbox.customerio.person(id=lived) is not None
    assert traces(HOME, WORDS)


@pytest.mark.parametrize("on_delete", ["delete", "suppress"])
def test_a_deletion_in_stripe_leaves_no_byte_either(cli, sandbox: Sandbox, lived: str, on_delete: str) -> None:
    policy = Path("stripe_cio.yaml")
    policy.write_text(policy.read_text().replace("settle_seconds: 0", f"settle_seconds: 0, on_delete: {on_delete}"))
    sandbox.stripe.delete_customer(lived)
    sandbox.clock.advance(hours=1)

    for command in (("sync",), ("sync",), ("reconcile",), ("sync",)):
        assert cli(*command).exit_code == 0, command

    assert traces(HOME, WORDS) == []
    assert sandbox.customerio.person(id=lived) is None
    assert cli("explain", lived, "--json").json["state"] == ("deleted" if on_delete == "delete" else "suppressed")


def test_what_stays_is_the_id_and_the_proof(cli, sandbox: Sandbox, lived: str) -> None:
    cli("forget", lived, "--yes")

    explained = cli("explain", lived, "--json").json

    assert explained["state"] == "suppressed"
    assert explained["state_reason"] == "forgotten"
    assert explained["attributes"] == {}
    assert explained["writes"][-1]["reason"] == "forgotten"
    with duckdb.connect(str(HOME / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from pipeline.forgotten where id = ?", [lived]).fetchone() == (1,)
