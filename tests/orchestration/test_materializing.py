"""Materializing from the UI: everything, a part, in any order, at any time."""

import re
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest

from stripe_cio_pipeline.extract import OBJECTS
from stripe_cio_pipeline.orchestration.environment import read_environment
from stripe_cio_pipeline.orchestration.factory import build_definitions
from stripe_cio_pipeline.orchestration.layout import Layout
from stripe_cio_pipeline.orchestration.pipeline import GivenPipeline
from stripe_cio_pipeline.orchestration.run import run_sync
from stripe_cio_pipeline.policy import parse_policy
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from stripe_cio_pipeline.sync import Opened
from stripe_cio_pipeline.warehouse import Turn, Warehouse
from tests.orchestration.conftest import World

APPROVED = {"make_plan": {"approve": True}}

EVERYTHING = [
    *(f"stripe/{kind.name}" for kind in OBJECTS),
    *("stripe/events", "stripe/reconciliation", "model/members", "model/people", "model/events", "model/overview"),
    *("customerio/plan", "customerio/people", "customerio/events", "customerio/verification"),
]


def materialized(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Each asset's metadata, as plain values."""
    return {
        event.asset_key.to_user_string(): {
            name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }


def checked(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {
        f"{found.asset_key.to_user_string()}:{found.check_name}": found
        for found in result.get_asset_check_evaluations()
    }


def failure(result: dg.ExecuteInProcessResult) -> str:
    (found,) = [event for event in result.all_events if event.is_step_failure]
    user_failure = found.step_failure_data.user_failure_data
    return str(user_failure.description) if user_failure else str(found.step_failure_data.error)


@dataclass(frozen=True, slots=True)
class Whole:
    """One run of everything on a new warehouse: what it told, and what its checks found."""

    success: bool
    told: dict[str, dict[str, Any]]
    checks: dict[str, dg.AssetCheckEvaluation]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Many tests look at one such run; none of them changes anything."""
    folder = tmp_path_factory.mktemp("whole")
    policy = parse_policy({"identity": {"settle_seconds": 0}})
    with Sandbox(seed=7, customers=12, history_days=60, customerio=CustomerioSwitches.gentle()) as sandbox:
        found = {**sandbox.environment(), "STRIPE_CIO_HOME": str(folder)}
        settings = read_environment("OUR_", {f"OUR_{name}": value for name, value in found.items()})
        warehouse = Warehouse(settings.warehouse_location)
        opened = Opened(settings, policy, warehouse, Turn(warehouse, "test"))
        definitions = build_definitions(Layout(policy=policy), GivenPipeline(opened))
        with dg.DagsterInstance.ephemeral() as instance:
            result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance,
                raise_on_error=False,
                run_config={
                    "ops": {name: {"config": value} for name, value in APPROVED.items()},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )
    return Whole(result.success, materialized(result), checked(result))


def test_everything_is_materialized_in_one_run_and_every_check_passes(whole: Whole) -> None:
    assert whole.success
    assert set(whole.told) == set(EVERYTHING)
    checks = whole.checks
    assert len(checks) == 10
    assert [name for name, found in checks.items() if not found.passed] == []


#: What has no table of its own, and is no part of a sync.
APART = {"stripe/reconciliation", "customerio/verification", "model/overview"}


def test_the_job_sync_leaves_what_takes_long_to_schedules_of_its_own(read: World) -> None:
    result = read.run(config=APPROVED)
    assert result.success
    assert set(materialized(result)) == set(EVERYTHING) - APART


def test_numbers_that_the_ui_plots_stand_on_every_materialization(whole: Whole) -> None:
    told = whole.told
    for name in (kind.name for kind in OBJECTS):
        assert {"dagster/row_count", "requests", "seconds"} <= set(told[f"stripe/{name}"])
        rows = told[f"stripe/{name}"]["dagster/row_count"]
        assert (rows, rows) == tuple(told[f"stripe/{name}"].get(figure, 0) for figure in ("read", "added"))
    assert {"dagster/row_count", "requests", "seconds"} <= set(told["stripe/events"])
    assert {"dagster/row_count", "people", "people changed", "seconds"} <= set(told["model/people"])
    assert {"people linked or created", "seconds from stored to planned"} <= set(told["customerio/plan"])
    assert {"accepted", "rejected", "requests", "bytes", "seconds from planned to accepted"} <= set(
        told["customerio/people"]
    )
    people = told["customerio/people"]
    assert people["accepted"] == told["customerio/plan"]["people linked or created"] == people["dagster/row_count"]


def test_what_did_not_happen_has_no_row_and_what_is_plotted_has_a_name_in_words(whole: Whole) -> None:
    always = {"dagster/row_count", "rejected", "differing", "repaired"}
    for asset, told in whole.told.items():
        for name, value in told.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                assert value or name in always or name.startswith("seconds"), f"{asset}: {name}"
                assert name.startswith("dagster/") or "_" not in name, f"{asset}: {name}"


def test_columns_say_first_what_an_attribute_means_and_then_where_it_comes_from(whole: Whole) -> None:
    for asset in ("model/people", "customerio/people"):
        columns = {column.name: column for column in whole.told[asset]["dagster/column_schema"].columns}
        described = str(columns["delinquent"].description)
        assert described.startswith("Whether Stripe calls any of the person's living customers delinquent. From custom")
        assert [name for name, column in columns.items() if not column.description and name[0] != "_"] in (
            [],
            ["person_id"],
        )


def test_pictures_stand_above_figures(whole: Whole) -> None:
    for asset in ("customerio/plan", "customerio/people", "customerio/events"):
        shown = [name for name in whole.told[asset] if not name.startswith("dagster/")]
        figures = [name for name in shown if isinstance(whole.told[asset][name], int | float)]
        assert shown.index("picture") < min(map(shown.index, figures))


def test_why_the_plan_does_what_it_does_is_seen_without_a_click(whole: Whole) -> None:
    """Dagster shows Markdown of less than 1,000 signs at once."""
    why = whole.told["customerio/plan"]["why"]
    assert len(why) < 1000
    assert re.search(r"\| linked by email \| \d+ \| █+ \|", why)
    assert re.search(r"\| identify \| \d+ \| █{20} \|", whole.told["customerio/people"]["what was accepted"])


def test_the_way_of_a_change_is_timed_from_the_event_to_its_acceptance(synced: World) -> None:
    synced.sandbox.clock.advance(minutes=2)
    customer = next(iter(synced.sandbox.stripe.objects("customer")))
    synced.sandbox.stripe.update_customer(customer, name="Another name")
    synced.sandbox.clock.advance(minutes=2)
    told = materialized(synced.run())
    assert told["stripe/events"]["added"] >= 1
    assert 0 <= told["stripe/events"]["seconds from event to stored"] < 600
    assert told["customerio/plan"]["seconds from stored to planned"] >= 0
    assert told["customerio/people"]["seconds from planned to accepted"] >= 0
    assert "name: … → …" in told["customerio/plan"]["preview"]


def test_nothing_that_is_shown_names_a_person_or_a_key(world: World) -> None:
    """Every text of every event: metadata, descriptions, log lines."""
    with dg.DagsterInstance.ephemeral() as instance:
        run_sync(world.settings, world.policy, approve=True, instance=instance)
        outcome = run_sync(world.settings, world.policy, full=True, instance=instance)
        texts = [str(record) for run in instance.get_runs() for record in instance.all_logs(run.run_id)]
    assert outcome.run_id
    shown = "\n".join(texts)
    for person in world.sandbox.customerio.people():
        assert person.email is None or person.email not in shown
    for value in world.sandbox.environment().values():
        if not value.startswith("http") and value not in {"us", "eu"}:
            assert value not in shown
    names = {str(customer.get("name")) for customer in world.sandbox.stripe.objects("customer").values()}
    assert not [name for name in names if name != "None" and name in shown]


def test_column_lineage_leads_from_the_sink_to_columns_that_stripe_assets_show(whole: Whole) -> None:
    told = whole.told
    sink = told["customerio/people"]["dagster/column_lineage"].deps_by_column["mrr"]
    assert [(dep.asset_key.to_user_string(), dep.column_name) for dep in sink] == [("model/people", "mrr")]
    sources = told["model/people"]["dagster/column_lineage"].deps_by_column["mrr"]
    assert ("stripe/subscriptions", "items.data[].price.unit_amount") in {
        (dep.asset_key.to_user_string(), dep.column_name) for dep in sources
    }
    assert [dep.column_name for dep in told["model/members"]["dagster/column_lineage"].deps_by_column["email_key"]] == [
        "email"
    ]
    assert told["model/events"]["dagster/column_lineage"].deps_by_column["data"]
    traced = [name for name in told if "dagster/column_lineage" in told[name]]
    assert {name.partition("/")[0] for name in traced} == {"model", "customerio"}
    for name in traced:
        columns = {shown.name for shown in told[name]["dagster/column_schema"].columns}
        for column, deps in told[name]["dagster/column_lineage"].deps_by_column.items():
            assert column in columns, f"{name}.{column}"
            for dep in deps:
                source = dep.asset_key.to_user_string()
                shown = {column.name for column in told[source]["dagster/column_schema"].columns}
                assert dep.column_name in shown, f"{source}.{dep.column_name}"


def test_every_table_shows_its_columns(whole: Whole) -> None:
    told = whole.told
    for name in EVERYTHING:
        if name not in APART:
            assert told[name]["dagster/column_schema"].columns, name


def test_the_plan_shows_pictures_and_what_changes_for_whom(whole: Whole) -> None:
    told = whole.told["customerio/plan"]
    assert told["picture"].startswith("![The plan by reason and by attribute](data:image/svg+xml;base64,")
    assert "| identify | cus_" in told["preview"]
    assert re.search(r"email: – → \S\S?…@", told["preview"])


def test_a_plan_that_the_guard_stops_is_shown_and_not_sent(read: World) -> None:
    result = read.run()
    assert not result.success
    guard = checked(result)["customerio/plan:guard"]
    assert not guard.passed
    assert guard.severity == dg.AssetCheckSeverity.ERROR
    assert "first load" in str(guard.description)
    plan_id = guard.metadata["plan_id"].value
    config = f"ops:\n  deliver_to_customerio:\n    config:\n      approve_plan: {plan_id}\n"
    assert next(iter(guard.metadata)) == "Approve with"
    for shown in (str(guard.metadata["Approve with"].value), str(guard.description)):
        assert f"```yaml\n{config}```" in shown
    said = failure(result)
    assert said.startswith(f"The guard stopped plan {plan_id}, and nothing was sent. This is the first load")
    assert config in said
    assert "customerio/plan" in materialized(result)
    assert "customerio/people" not in materialized(result)
    assert not [person for person in read.sandbox.customerio.people() if person.id]


def test_exactly_the_plan_that_was_looked_at_can_be_sent(read: World) -> None:
    stopped = checked(read.run())["customerio/plan:guard"].metadata["plan_id"].value
    refused = read.run("customerio/people", "customerio/events")
    assert "guard" in failure(refused).lower()
    other = read.run(
        "customerio/people", "customerio/events", config={"deliver_to_customerio": {"approve_plan": "0" * 32}}
    )
    assert not other.success
    sent = read.run(
        "customerio/people", "customerio/events", config={"deliver_to_customerio": {"approve_plan": stopped}}
    )
    assert sent.success
    assert [person for person in read.sandbox.customerio.people() if person.id]


def test_a_dry_run_materializes_no_plan_and_sends_nothing(read: World) -> None:
    result = read.run(config={"make_plan": {"dry_run": True}})
    assert result.success
    assert not [name for name in materialized(result) if name.startswith("customerio/")]
    guard = checked(result)["customerio/plan:guard"]
    assert (guard.passed, guard.severity) == (False, dg.AssetCheckSeverity.WARN)
    with read.warehouse.reading() as connection:
        ended = connection.execute("select outcome from pipeline.runs where run_id = ?", [result.run_id]).fetchall()
    assert ended == [("dry run, nothing sent",)]


@pytest.mark.parametrize("asset", [*EVERYTHING[7:]])
def test_an_asset_alone_on_an_empty_warehouse_succeeds_or_says_what_is_missing(world: World, asset: str) -> None:
    together = {"customerio/people": ["customerio/people", "customerio/events"]}
    together["customerio/events"] = together["customerio/people"]
    result = world.run(*together.get(asset, [asset]), config=None)
    if not result.success:
        assert "unexpected" not in failure(result)
        assert re.search(r"(first|materialize|sync)", failure(result)), failure(result)


def test_a_part_in_any_order_ends_where_the_whole_ends(world: World) -> None:
    world.run("customerio/plan")
    world.run("model/people")
    assert world.run("stripe/customers").success
    world.run("customerio/people", "customerio/events")
    assert world.run("stripe/events", "stripe/subscriptions").success
    assert world.run("model/events").success
    whole = world.run(config=APPROVED)
    assert whole.success
    linked = {person.id for person in world.sandbox.customerio.people() if person.id}
    assert len(linked) == materialized(whole)["customerio/people"]["dagster/row_count"]


def test_one_object_type_alone_is_read(world: World) -> None:
    result = world.run("stripe/products")
    assert set(materialized(result)) == {"stripe/products"}
    with world.warehouse.reading() as connection:
        assert connection.execute("select count(*) from stripe.products").fetchone() != (0,)
        assert connection.execute("select count(*) from stripe.customers").fetchone() == (0,)


def test_an_object_type_that_may_not_be_read_fails_and_the_others_are_kept(world: World) -> None:
    world.sandbox.stripe.switches.permissions = world.sandbox.stripe.switches.permissions - {"rak_plan_read"}
    result = world.run()
    assert not result.success
    assert "rak_plan_read" in failure(result)
    assert {"stripe/customers", "stripe/subscriptions", "stripe/events"} <= set(materialized(result))
    assert "stripe/prices" not in materialized(result)


def test_a_full_recompute_changes_nothing(synced: World) -> None:
    again = synced.run(config={"build_model": {"full": True}, "make_plan": {"full": True}})
    assert again.success
    assert materialized(again)["customerio/plan"].get("people linked or created", 0) == 0


def test_a_reconcile_of_some_objects_proves_only_these(world: World) -> None:
    world.run("stripe/customers")
    result = world.run("stripe/reconciliation", config={"reconcile_stripe": {"objects": ["customers"]}})
    assert result.success
    assert "| customers |" in materialized(result)["stripe/reconciliation"]["objects"]
    assert "| invoices |" not in materialized(result)["stripe/reconciliation"]["objects"]


def test_a_sample_of_people_is_read_back(synced: World) -> None:
    result = synced.run(job="verify", config={"verify_customerio": {"sample": 3}})
    assert result.success
    assert materialized(result)["customerio/verification"]["checked"] == 3
    assert checked(result)["customerio/verification:no_drift"].passed


def test_verification_without_its_key_is_left_out_and_says_so(synced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUSTOMERIO_APP_API_KEY")
    result = synced.run(job="verify")
    assert result.success
    assert materialized(result) == {}
    assert "CUSTOMERIO_APP_API_KEY" in str(checked(result)["customerio/verification:no_drift"].description)
