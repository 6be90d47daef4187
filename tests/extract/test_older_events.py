"""Events from before the installation are stored when they are asked for, and change nothing else."""

from stripe_cio_pipeline.extract import OlderEvents
from tests.extract.stage import Stage


def watermark(stage: Stage) -> list[tuple[object, ...]]:
    return stage.rows("select value from pipeline.cursors where name = 'events.watermark'")


def test_older_events_are_stored_once_and_ask_for_no_object(stage: Stage) -> None:
    for number in range(30):
        stage.stripe.create_customer(email=f"customer-{number}@example.com")
    stage.sandbox.clock.advance(days=3)
    stage.extract()
    before = watermark(stage)
    (stored,) = stage.rows("select count(*) from stripe.events")[0]

    fetched = stage.fetch_older_events(days=4)

    assert fetched.events >= 30
    assert not fetched.incomplete
    assert stage.rows("select count(*) from stripe.events") == [(stored + fetched.events,)]
    assert stage.rows("select count(*) from pipeline.signals") == [(0,)]
    assert watermark(stage) == before
    assert stage.fetch_older_events(days=4).events == 0
    stage.settle()
    stage.extract()
    stage.assert_in_step()


def test_an_event_that_appears_late_is_left_to_the_sync(stage: Stage) -> None:
    """A change six seconds before a sync, whose event shows twenty seconds after it, and a fetch in between."""
    stage.stripe.switches.late_events_share = 0.0
    stage.extract()
    stage.pass_time(minutes=20)
    changed = next(iter(stage.stripe.objects("customer")))
    stage.stripe.switches.late_events_share, stage.stripe.switches.late_events_seconds = 1.0, 26.0
    stage.stripe.update_customer(changed, name="Changed just before")
    stage.pass_time(seconds=6)
    stage.extract()
    stage.settle()
    stage.fetch_older_events(days=2)
    stage.extract()
    assert stage.stored("customers")[changed]["name"] == "Changed just before"
    stage.assert_in_step()


def test_what_is_older_than_stripe_remembers_is_told(stage: Stage) -> None:
    stage.extract()
    assert stage.fetch_older_events(days=45).incomplete


def test_a_moment_after_the_installation_asks_stripe_for_nothing(stage: Stage) -> None:
    stage.extract()
    before = stage.requests()
    assert stage.fetch_older_events(days=-1) == OlderEvents(0, 0, False)
    assert stage.requests() == before
