"""What `check` learns of Customer.io."""

from stripe_cio_pipeline.deliver import Patience, probe
from stripe_cio_pipeline.settings import Settings
from tests.deliver.conftest import QUICK, World


def test_good_keys_are_accepted_and_nothing_is_written(world: World) -> None:
    track, app = probe(world.settings, patience=QUICK)

    assert (track.state, app.state) == ("ok", "ok")
    assert "region us" in track.what
    assert world.workspace.counters["operations.accepted"] == 0
    assert world.workspace.counters.requests == 2


def test_refused_keys_say_what_to_compare(world: World) -> None:
    settings = world.settings
    world.workspace.switches.track_api_key = world.workspace.switches.app_api_key = "another"
    track, app = probe(settings, patience=QUICK)

    assert (track.state, track.exit_code, app.state, app.exit_code) == ("failed", 2, "failed", 2)
    assert "CUSTOMERIO_SITE_ID" in track.advice


def test_without_keys_nothing_is_called() -> None:
    track, app = probe(Settings(_env_file=None), patience=Patience(attempts=1))  # type: ignore[call-arg]

    assert (track.state, app.state) == ("failed", "skipped")
