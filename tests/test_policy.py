"""The policy file: defaults for everything, and no key that is silently nothing."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from dagster._utils.schedules import is_valid_cron_schedule
from stripe.params import _webhook_endpoint_create_params as stripes_own

from stripe_cio_pipeline.cron import times_in_30_days
from stripe_cio_pipeline.errors import PolicyError
from stripe_cio_pipeline.event_types import known_types, meant
from stripe_cio_pipeline.extract.objects import PINNED_VERSION
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


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"guard": {"max_events": "many"}}, "guard.max_events: must be a whole number, such as 10000."),
        ({"customerio": {"in_flight": 2.5}}, "customerio.in_flight: must be a whole number, such as 4."),
        ({"guard": {"max_changed_share": "half"}}, "guard.max_changed_share: must be a number, such as 0.2."),
        ({"guard": {"max_changed_share": 20}}, "guard.max_changed_share: must be at most 1."),
        ({"stripe": {"rate_share": 0}}, "stripe.rate_share: must be more than 0."),
        ({"identity": {"settle_seconds": -1}}, "identity.settle_seconds: must be at least 0."),
        ({"identity": {"strategy": "phone"}}, "identity.strategy: must be stripe_id, email or metadata."),
        ({"identity": {"merge": "perhaps"}}, "identity.merge: must be true or false."),
        ({"events": {"since": "x"}}, "events.since: must be install or a time such as 2026-01-31T00:00:00Z."),
        ({"events": {"forward": "x"}}, "events.forward: must be a list, such as [one, two]."),
        ({"events": {"forward": ["default", 5]}}, "events.forward, item 2: must be text."),
        ({"events": {"names": [1]}}, "events.names: must be names with values, such as {name: value}."),
        ({"schedule": {"sync": 5}}, "schedule.sync: must be text, such as 0 * * * *."),
        ({"models": {"folder": 5}}, "models.folder: must be a path."),
        ({"stripe": 5}, "stripe: must be a section with keys below it."),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_in_plain_words_with_an_example(content: dict[str, Any], told: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_policy(content)
    assert refused.value.what == f"stripe_cio.yaml: {told}"


def test_a_tab_is_named_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "stripe_cio.yaml").write_text("guard:\n\tmax_events: 5\n")
    with pytest.raises(PolicyError, match="has a tab at line 2, column 1, and YAML is indented with spaces"):
        load_policy()


#: Lines that come due, and lines that Dagster or a calendar does not know.
CRON = [
    "0 * * * *",
    "*/5 0-6 * * mon-fri",
    "30 4 1,15 * *",
    "0 3 * * 0",
    "0 0 29 2 *",
    "@daily",
    "5/10 * * * *",
    "0 0 * * 7",
]
NO_CRON = ["99 * * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *", "0 0 * * 8", "* * * *", "0 0 * * * *", "each hour",
           "1-0 * * * *", "*/0 * * * *", "-1 * * * *", "a * * * *", "0 0 31 2 *", "0 0 31 apr,jun *"]  # fmt: skip


@pytest.mark.parametrize("line", CRON)
@pytest.mark.parametrize("name", ["sync", "reconcile", "verify", "overview"])
def test_a_schedule_is_a_cron_line(line: str, name: str) -> None:
    assert getattr(parse_policy({"schedule": {name: line}}).schedule, name) == line


@pytest.mark.parametrize("line", NO_CRON)
def test_a_schedule_that_would_never_come_due_names_its_key(line: str) -> None:
    with pytest.raises(PolicyError, match=r"schedule\.sync: "):
        parse_policy({"schedule": {"sync": line}})


def test_what_is_taken_for_a_cron_line_is_one_for_dagster() -> None:
    assert [line for line in CRON if not is_valid_cron_schedule(line)] == []


@pytest.mark.parametrize("address", ["you", "you@", "@example.com", "you@example.com\nBcc: a@b.example", "a@b@c.d", ""])
def test_an_address_for_alerts_is_an_address(address: str) -> None:
    for content in ({"mail_to": [address]}, {"mail_from": address}):
        with pytest.raises(PolicyError, match=r"alerts\.mail_"):
            parse_policy({"alerts": content})


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
        *("schedule.sync", "schedule.reconcile", "schedule.verify", "schedule.overview"),
    }


def test_the_event_types_are_those_of_stripes_library_at_the_pinned_version() -> None:
    listed = re.search(r"enabled_events: List\[\s*Literal\[(.*?)\]", Path(stripes_own.__file__).read_text(), re.DOTALL)
    assert listed is not None
    assert set(known_types()) == set(re.findall(r'"([^"]+)"', listed[1])) - {"*"}
    stated = json.loads(files("stripe_cio_pipeline").joinpath("event_types.json").read_text())
    assert stated["api_version"] == PINNED_VERSION


@pytest.mark.parametrize(
    ("events", "named", "nearest"),
    [
        ({"forward": ["invoice.paied"]}, "invoice.paied is not a Stripe event type", "invoice.paid"),
        (
            {"forward": ["default", "customer.subscription.pause"]},
            "not a Stripe event type",
            "customer.subscription.paused",
        ),
        ({"forward": ["invoices.*"]}, "invoices.* means no Stripe event type", "invoice.*"),
        ({"forward": ["invoice.[ab]*"]}, "means no Stripe event type", "invoice.*"),
        ({"forward": ["Invoice.paid"]}, "Invoice.paid is not a Stripe event type", "invoice.paid"),
        ({"names": {"invoice.payed": "paid"}}, "invoice.payed is not a Stripe event type", "invoice.paid"),
    ],
)
def test_an_event_type_that_stripe_does_not_have_is_refused_with_the_nearest(
    events: dict[str, object], named: str, nearest: str
) -> None:
    with pytest.raises(PolicyError, match=re.escape(f"(nearest: {nearest})")) as refused:
        parse_policy({"events": events})
    assert named in str(refused.value)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "é" * 51])
def test_a_name_that_customerio_would_not_take_is_refused(name: str) -> None:
    with pytest.raises(PolicyError, match=r"events\.names: the name for invoice\.paid must have 1 to 100 bytes"):
        parse_policy({"events": {"names": {"invoice.paid": name}}})


def test_a_pattern_means_every_type_under_it_and_what_stripe_adds_later() -> None:
    def matched(*chosen: str) -> set[str]:
        return {kind for kind in (*known_types(), "invoice.sealed") if re.fullmatch(meant(chosen), kind)}

    invoices = {kind for kind in known_types() if kind.startswith("invoice.")}
    assert len(invoices) > 15
    assert matched("invoice.*") == invoices | {"invoice.sealed"}
    assert matched("*.deleted", "charge.refunded") > {
        "customer.subscription.deleted",
        "price.deleted",
        "charge.refunded",
    }
    assert matched("*") == {*known_types(), "invoice.sealed"}
    assert matched("invoice.paid") == {"invoice.paid"}
    assert "invoice_payment.paid" not in matched("invoice.*")
    assert matched() == set()
    assert matched("default") == matched("default", "invoice.paid") > {"invoice.paid", "charge.refunded"}


@pytest.mark.parametrize(
    ("line", "times"),
    [
        ("0 * * * *", 720),
        ("*/10 * * * *", 4_320),
        ("@hourly", 720),
        ("0 3 * * 0", 30 / 7),
        ("0 0 * * 0,7", 30 / 7),
        ("30 4 * * *", 30),
        ("*/5 0-6 * * mon-fri", 12 * 7 * 30 * 5 / 7),
        # Either kind of day is enough: the first of the month, and each Monday but where it is the first.
        ("0 0 1 * mon", 30 * (1 / 31 + 1 / 7 - 1 / 31 / 7)),
    ],
)
def test_how_often_a_line_comes_due_in_30_days(line: str, times: float) -> None:
    assert times_in_30_days(line) == pytest.approx(times)
