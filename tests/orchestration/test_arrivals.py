"""What webhooks bring is seen in Dagster: an observation a minute, which makes nothing fresh and starts no run."""

from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from stripe_cio_pipeline.listening.envelope import open_envelope
from stripe_cio_pipeline.listening.inbox import Inbox
from stripe_cio_pipeline.orchestration import arrivals
from stripe_cio_pipeline.orchestration.pipeline import PipelineResource
from tests.listening.doors import OURS, body_of, event
from tests.orchestration.conftest import World

#: The beginning of a minute.
NOW = 1_790_000_040


class Listened:
    """An inbox as `stripe-cio listen` leaves it, and the sensor that reads it, by a clock of their own."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = float(NOW)
        self.cursor: str | None = None
        self.world = world
        self.inbox = Inbox(world.settings.home / "inbox.sqlite", now=lambda: self.now)
        monkeypatch.setattr(arrivals.time, "time", lambda: self.now)

    def receives(self, *numbers: int, **fields: Any) -> None:
        self.inbox.store([open_envelope(body_of(event(number, **fields)), int(self.now), OURS) for number in numbers])

    def sends(self, *numbers: int, people: int, events: int) -> None:
        ids = [f"evt_{number}" for number in numbers]
        self.inbox.taken(ids)
        self.inbox.sent_on(ids, people=people, events=events)

    def tick(self) -> SensorExecutionData:
        definitions = self.world.definitions()
        sensor = definitions.get_repository_def().get_sensor_def("webhooks")
        with (
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_sensor_context(
                instance=instance,
                definitions=definitions,
                cursor=self.cursor,
                resources={"pipeline": PipelineResource()},
            ) as context,
        ):
            result = sensor.evaluate_tick(context)
        self.cursor = result.cursor or self.cursor
        return result

    def told(self) -> dict[str, dict[str, Any]]:
        """What a tick observed, by asset."""
        result = self.tick()
        assert not result.run_requests
        assert result.skip_message
        assert all(isinstance(event, dg.AssetObservation) for event in result.asset_events)
        return {
            event.asset_key.to_user_string(): {name: value.value for name, value in event.metadata.items()}
            for event in result.asset_events
        }


@pytest.fixture
def listened(world: World, monkeypatch: pytest.MonkeyPatch) -> Listened:
    return Listened(world, monkeypatch)


def test_where_nothing_listens_nothing_is_told(listened: Listened) -> None:
    result = listened.tick()
    assert "stripe-cio listen" in str(result.skip_message)
    assert not listened.inbox.exists


def test_a_minute_is_one_observation_of_what_came_and_of_what_was_sent(listened: Listened) -> None:
    listened.receives(1, 2, 3, created=NOW - 2)
    listened.receives(4, account="acct_of_somebody_else")
    listened.now += 4
    listened.sends(1, 2, people=2, events=1)
    listened.now = NOW + 70
    told = listened.told()
    assert set(told) == {"stripe/events", "customerio/people"}
    assert told["stripe/events"] == {
        "From": NOW,
        "To": NOW + 60,
        "Events received": 4,
        "Of another account or mode": 1,
        "Events waiting": 1,
        "Oldest waiting (seconds)": 70.0,
    }
    assert told["customerio/people"] == {
        "From": NOW,
        "To": NOW + 60,
        "People sent": 2,
        "Events sent": 1,
        "Lag p50 (seconds)": 6.0,
        "Lag p95 (seconds)": 6.0,
    }


def test_where_nothing_was_sent_nothing_is_observed_of_people(listened: Listened) -> None:
    listened.receives(1)
    listened.now = NOW + 60
    assert set(listened.told()) == {"stripe/events"}


def test_no_minute_is_told_twice_and_none_is_left_out(listened: Listened) -> None:
    listened.receives(0)
    listened.sends(0, people=0, events=0)
    listened.now = NOW + 60
    listened.told()
    counted = 0
    for step in range(1, 12):
        listened.receives(step)
        listened.sends(step, people=1, events=0)
        listened.now += 25
        counted += listened.told().get("customerio/people", {}).get("People sent", 0)
    listened.now += 60
    counted += listened.told()["customerio/people"]["People sent"]
    assert counted == 11


def test_a_quiet_minute_is_passed_over(listened: Listened) -> None:
    listened.receives(1)
    listened.sends(1, people=1, events=0)
    listened.now = NOW + 60
    assert listened.told()
    assert "not over" in str(listened.tick().skip_message)
    listened.now = NOW + 120
    assert "No webhook came" in str(listened.tick().skip_message)
    assert listened.cursor == str(NOW + 120)


def test_after_a_long_pause_a_day_is_told_at_most(listened: Listened) -> None:
    listened.cursor = "60"
    listened.receives(1)
    listened.now = NOW + 60
    assert listened.told()["stripe/events"]["From"] == NOW + 60 - 86_400


def test_a_damaged_inbox_is_told_and_stops_nothing(listened: Listened) -> None:
    listened.inbox.path.write_bytes(b"not a database" * 100)
    assert "damaged" in str(listened.tick().skip_message)
