"""The policy file: defaults for everything, and no key that is silently nothing."""

from pathlib import Path

import pytest

from stripe_cio_pipeline.errors import PolicyError
from stripe_cio_pipeline.policy import Policy, known_keys, load_policy, parse_policy


def test_no_file_means_the_defaults() -> None:
    assert load_policy() == Policy()


def test_an_empty_file_and_empty_sections_mean_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "stripe_cio.yaml"
    file.write_text("")
    assert load_policy() == Policy()
    file.write_text("guard:\nstripe:\n")
    assert load_policy() == Policy()


def test_a_named_file_that_is_missing_is_an_error() -> None:
    with pytest.raises(PolicyError, match=r"absent\.yaml does not exist"):
        load_policy(Path("absent.yaml"))


@pytest.mark.parametrize(
    ("content", "key", "nearest"),
    [
        ({"guard": {"max_change_share": 1}}, "guard.max_change_share", "guard.max_changed_share"),
        ({"gaurd": {"first_load": "send"}}, "gaurd", "guard"),
        ({"stripe": {"limits": {"endpoints": 5}}}, "stripe.limits.endpoints", "stripe.limits.endpoint"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(content: dict[str, object], key: str, nearest: str) -> None:
    with pytest.raises(PolicyError) as unknown:
        parse_policy(content)
    assert f"{key} is not a known key (nearest: {nearest})" in str(unknown.value)
    assert unknown.value.exit_code == 2


@pytest.mark.parametrize(
    "content",
    [
        {"guard": {"max_changed_share": 2}},
        {"identity": {"strategy": "phone"}},
        {"identity": {"strategy": "metadata"}},
        {"customerio": {"in_flight": 0}},
        {"events": {"since": "yesterday"}},
        {"stripe": 5},
    ],
)
def test_a_value_that_makes_no_sense_names_its_key(content: dict[str, object]) -> None:
    with pytest.raises(PolicyError, match=next(iter(content))):
        parse_policy(content)


@pytest.mark.parametrize("text", ["guard: [", "- a\n- b\n", "just words"])
def test_a_file_that_is_no_mapping_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "stripe_cio.yaml").write_text(text)
    with pytest.raises(PolicyError, match=r"stripe_cio\.yaml"):
        load_policy()


def test_the_models_folder_beside_the_file_is_found(tmp_path: Path) -> None:
    file = tmp_path / "conf" / "stripe_cio.yaml"
    file.parent.mkdir()
    file.write_text("models: {folder: sql}\n")
    assert load_policy(file).models.folder == file.parent / "sql"
    file.write_text("")
    assert load_policy(file).models.folder is None
    (file.parent / "models").mkdir()
    assert load_policy(file).models.folder == file.parent / "models"


def test_every_key_of_the_design_is_there() -> None:
    assert set(known_keys()) >= {
        *(f"identity.{key}" for key in ("strategy", "metadata_key", "settle_seconds", "merge", "on_delete")),
        *("events.forward", "events.since", "guard.first_load", "guard.max_changed_share", "guard.max_changed_people"),
        *("guard.max_deleted_people", "guard.max_events", "stripe.rate_share", "stripe.limits.endpoint"),
        *("stripe.limits.account", "stripe.poll_seconds", "stripe.overlap_seconds", "stripe.monthly_reads"),
        *("stripe.on_budget", "customerio.requests_per_second", "customerio.in_flight", "models.folder"),
        *("schedule.sync", "schedule.reconcile", "schedule.verify"),
    }
