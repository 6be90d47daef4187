"""The project in examples/: two pipelines beside each other."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from tests.orchestration.projects import BETA, dg_command, installed

EXAMPLE = Path(__file__).parents[2] / "examples" / "two_companies"
FOLDER = EXAMPLE / "two_companies"

#: The variables that north has by its prefix, and those that south's defs.yaml names.
VARIABLES = {
    "north": {
        name: f"NORTH_{name}"
        for name in (
            *("STRIPE_API_KEY", "STRIPE_API_BASE"),
            *("CUSTOMERIO_SITE_ID", "CUSTOMERIO_TRACK_API_KEY", "CUSTOMERIO_TRACK_URL"),
        )
    },
    "south": {
        "STRIPE_API_KEY": "SOUTH_STRIPE_KEY",
        "STRIPE_API_BASE": "SOUTH_STRIPE_ADDRESS",
        "CUSTOMERIO_SITE_ID": "SOUTH_SITE",
        "CUSTOMERIO_TRACK_API_KEY": "SOUTH_TRACK_KEY",
        "CUSTOMERIO_TRACK_URL": "SOUTH_TRACK_ADDRESS",
    },
}


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody has cloned the example and installed it."""
    monkeypatch.setenv("STRIPE_CIO_HOME", str(tmp_path / "home"))
    with installed(EXAMPLE, "two_companies", tmp_path, monkeypatch):
        yield


def loaded() -> dg.Definitions:
    return dg.load_from_defs_folder(path_within_project=FOLDER)


@pytest.mark.parametrize("company", VARIABLES)
def test_dagster_finds_nothing_wrong_in_it(company: str) -> None:
    checked = dg_command(EXAMPLE, "check", "yaml", str(FOLDER / "defs" / company), "--validate-requirements")
    assert checked.code == 0, checked.text


@BETA
def test_it_loads_without_any_variable_and_each_policy_counts() -> None:
    definitions = loaded()
    graph = definitions.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["north", "model", "people"])).owners == ["team:north"]
    assert {key.path[1] for key in graph.get_all_asset_keys() if key.path[0] == "crm"} == {"south"}
    moved = graph.get(dg.AssetKey(["crm", "south", "model", "people"]))
    assert (moved.group_name, moved.tags["company"]) == ("crm", "south")
    assert dg.AssetKey(["crm", "south", "stripe", "customers"]) in moved.parent_keys
    repository = definitions.get_repository_def()
    assert repository.get_schedule_def("south_sync_schedule").cron_schedule == "*/20 * * * *"
    south = repository.get_top_level_resources()["south_pipeline"].config_schema.default_value
    assert south["settings"]["stripe_api_key"] == {"env": "SOUTH_STRIPE_KEY"}


@BETA
def test_each_keeps_to_its_own_account_workspace_and_warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        Sandbox(seed=1, customers=4, history_days=30, customerio=CustomerioSwitches.gentle()) as north,
        Sandbox(seed=2, customers=6, history_days=30, customerio=CustomerioSwitches.gentle()) as south,
    ):
        companies = {"north": north, "south": south}
        for company, sandbox in companies.items():
            for name, variable in VARIABLES[company].items():
                monkeypatch.setenv(variable, sandbox.environment()[name])
        definitions = loaded()
        for company in companies:
            with dg.DagsterInstance.ephemeral() as instance:
                result = definitions.resolve_job_def(f"{company}_sync").execute_in_process(
                    instance=instance,
                    run_config={
                        "ops": {f"{company}_make_plan": {"config": {"approve": True}}},
                        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                    },
                )
            assert result.success
        for company, sandbox in companies.items():
            assert (tmp_path / "home" / f"{company}.duckdb").exists()
            linked = {person.id for person in sandbox.customerio.people() if person.id}
            assert linked
            assert linked <= set(sandbox.stripe.objects("customer"))
