"""Events from before the installation are stored when they are asked for, and change nothing else."""

from stripe_cio_pipeline.extract import OlderEvents, fetch_older_events
from tests.extract.stage import QUICK, Stage

DAY = 86_400


def fetch(stage: Stage, *, days: float) -> OlderEvents:
    since = stage.sandbox.clock.now() - days * DAY
    return fetch_older_events(
        stage.warehouse, stage.settings, stage.policy, run_id="older", since=since, patience=QUICK
    )


def watermark(stage: Stage) -> list[tuple[object, ...]]:
    return stage.rows("select value from pipeline.cursors where name = 'events.watermark'")


def test_older_events_are_stored_once_and_ask_for_no_object(stage: Stage) -> None:
    for number in range(30):
        stage.stripe.create_customer(email=f"customer-{number}@example.com")
    stage.sandbox.clock.advance(days=3)
    stage.extract()
    before = watermark(stage)
    (stored,) = stage.rows("select count(*) from stripe.events")[0]

    fetched = fetch(stage, days=4)

    assert fetched.events >= 30
    assert not fetched.incomplete
    assert stage.rows("select count(*) from stripe.events") == [(stored + fetched.events,)]
    assert stage.rows("select count(*) from pipeline.signals") == [(0,)]
    assert watermark(stage) == before
    assert fetch(stage, days=4).events == 0
    stage.settle()
    stage.extract()
    stage.assert_in_step()


def test_what_is_older_than_stripe_remembers_is_told(stage: Stage) -> None:
    stage.extract()
    assert fetch(stage, days=45).incomplete


def test_a_moment_after_the_installation_asks_stripe_for_nothing(stage: Stage) -> None:
    stage.extract()
    before = stage.requests()
    assert fetch(stage, days=-1) == OlderEvents(0, 0, False)
    assert stage.requests() == before
