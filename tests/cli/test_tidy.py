"""`tidy` takes away what has grown old, and nothing that is sent, or sent once, changes by it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stripe_cio_pipeline.deliver import TidyReport, tidy
from stripe_cio_pipeline.policy import load_policy
from stripe_cio_pipeline.sandbox import Sandbox
from stripe_cio_pipeline.warehouse import Warehouse
from tests.cli.conftest import first_life, lived_on
from tests.snapshots import Snapshot

DAY = 86_400
POLICY = """\
identity: {settle_seconds: SETTLE}
guard: {first_load: send}
events: {since: 2020-01-01T00:00:00Z}
stripe: {limits: {endpoint: 500, account: 2000}}
"""


def ask(query: str) -> list[Any]:
    with duckdb.connect(".stripe_cio/warehouse.duckdb", read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module", params=[pytest.param(0, id="linked")])
def past(
    cli, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Snapshot, str]]:
    """Somebody with a past that was forwarded, or waits for them where links take longer to settle."""
    policy = POLICY.replace("SETTLE", str(request.param))
    with first_life(tmp_path_factory.mktemp("past"), policy) as (sandbox, take):
        # Stripe's clock stands still here: what was tidied away can be read again, which it never can after 31 days.
        sandbox.stripe.switches.duplicate_events_share = 0
        assert cli("sync").exit_code == 0
        sandbox.stripe.create_product("Teapot")  # of which nobody is told
        customer = sandbox.stripe.create_customer(email="customer-1@example.com", name="Quetzal Wunderlich")["id"]
        sandbox.stripe.attach_card(customer)
        subscription = sandbox.stripe.create_subscription(customer)
        sandbox.stripe.fail_payment(subscription["id"])
        sandbox.clock.advance(hours=1)
        sandbox.stripe.create_product("Cup")
        sandbox.clock.advance(minutes=2)
        for _ in range(2):
            assert cli("sync").exit_code == 0
        yield take(), str(customer)


@pytest.fixture
def sandbox(past: tuple[Snapshot, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Both sides as they are then, and the home folder here."""
    with lived_on(past[0], monkeypatch) as made:
        made.stripe.switches.duplicate_events_share = 0
        yield made


def after(sandbox: Sandbox, days: int) -> TidyReport:
    """Tidy up so many days later."""
    moment = sandbox.clock.now() + days * DAY
    return tidy(Warehouse(".stripe_cio/warehouse.duckdb"), load_policy(), now=lambda: moment)


def test_what_was_sent_stays_sent_and_explained(cli, past: tuple[Snapshot, str], sandbox: Sandbox) -> None:
    customer = past[1]
    mails = sandbox.customerio.counters["events.accepted"]
    explained = cli("explain", customer, "--json").json
    sent = {id_ for (id_,) in ask("select event_id from customerio.events")}

    report = after(sandbox, 100).taken
    again = after(sandbox, 100).taken

    assert (again.requests, again.events_emptied, again.events_deleted) == (0, 0, 0)
    # What is left was sent, or explains a write; reading goes on from the newest.
    left = {id_ for (id_,) in ask("select id from stripe.events")}
    explaining = {write["source_event_id"] for write in explained["writes"]} - {None}
    newest = {id_ for (id_,) in ask("select arg_max(id, created) from stripe.events")}
    assert left == sent | explaining | newest
    assert report.events_emptied == len(sent | explaining)
    assert report.events_deleted > 0
    assert ask("select count(*) from customerio.requests") == [(0,)]
    assert ask("select count(*) from stripe.events where contains(payload::varchar, 'Quetzal')") == [(0,)]
    assert ask("select count(*) from model.events where data::varchar <> '{}'") == [(0,)]
    # Nothing is sent again: by the next run, by one over everything, by looking for older events.
    assert cli("sync", "--json").json["customerio"]["accepted"] == 0
    assert cli("sync", "--full", "--json").json["customerio"]["accepted"] == 0
    assert cli("backfill-events", "--since", "2020-01-01", "--send", "--json").exit_code == 0
    assert sandbox.customerio.counters["events.accepted"] == mails
    writes = [{**write, "status": None} for write in explained["writes"]]
    assert cli("explain", customer, "--json").json["writes"] == writes


def test_what_is_young_stays(cli, sandbox: Sandbox) -> None:
    report = after(sandbox, 10).taken

    assert (report.requests, report.events_emptied, report.events_deleted) == (0, 0, 0)


@pytest.mark.parametrize("past", [1_000_000], ids=["settling"], indirect=True)
def test_events_that_wait_for_their_person_stay_whole(cli, sandbox: Sandbox) -> None:
    waiting = ask("select event_id, data::varchar from model.events order by 1")
    assert waiting

    after(sandbox, 100)

    assert ask("select event_id, data::varchar from model.events order by 1") == waiting
    Path("stripe_cio.yaml").write_text(POLICY.replace("SETTLE", "0"))
    assert cli("sync", "--json").json["events"]["accepted"] == len(waiting)


def test_the_command_tells_what_it_did(cli, sandbox: Sandbox) -> None:
    answer = cli("tidy", "--json")

    assert answer.exit_code == 0, answer.words
    assert answer.json["bytes_after"] > 0
    assert "The warehouse has" in answer.words


@pytest.mark.file_is_shared
def test_the_file_gets_smaller_by_what_went(cli, sandbox: Sandbox) -> None:
    file = Path(".stripe_cio/warehouse.duckdb")
    young = cli("tidy", "--json").json["bytes_after"]
    with duckdb.connect(str(file)) as connection:
        # Four years of calls, of which three months are kept; noise, which no compression makes small.
        connection.execute(
            "insert into customerio.requests (request_id, run_id, sent_at, endpoint, items, bytes, seconds, attempt) "
            "select sha256(i::varchar), sha256('r' || i), now()::timestamp - to_hours(i::integer), 'batch', 1, 1, 1, 1 "
            "from range(35_000) as calls (i)"
        )
    full = file.stat().st_size
    assert full > young + 2_000_000

    told = cli("tidy", "--json").json

    assert told["taken"]["requests"] > 30_000
    assert (told["bytes_before"], told["bytes_after"]) == (full, file.stat().st_size)
    assert file.stat().st_size < young + 500_000
    # And it stays a warehouse, with nothing left lying beside it.
    assert cli("sync", "--json").json["customerio"]["accepted"] == 0
    assert {each.name for each in file.parent.glob("warehouse*")} == {"warehouse.duckdb", "warehouse.duckdb.turn"}


def test_retention_is_no_shorter_than_stripes_own() -> None:
    from stripe_cio_pipeline.errors import PolicyError
    from stripe_cio_pipeline.policy import parse_policy

    with pytest.raises(PolicyError, match=r"retention\.events_days"):
        parse_policy({"retention": {"events_days": 30}})
