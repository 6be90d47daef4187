"""The component in somebody else's project."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from pydantic import ValidationError

from stripe_cio_pipeline.component import StripeCustomerIoComponent
from stripe_cio_pipeline.errors import PolicyError
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox

TYPE = "stripe_cio_pipeline.component.StripeCustomerIoComponent"
BIN = Path(sys.executable).parent

PROJECT = """
[project]
name = "shop"
version = "0.1.0"
requires-python = ">=3.11"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "shop"
"""
DEFINITIONS = """
from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Dagster project of somebody who has heard of us."""
    (tmp_path / "shop" / "defs").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "shop" / "definitions.py").write_text(DEFINITIONS, encoding="utf-8")
    for folder in ("shop", "shop/defs"):
        (tmp_path / folder / "__init__.py").touch()
    return tmp_path


def dg_command(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(project),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "COLUMNS": "200",
    }
    return subprocess.run(
        [str(BIN / "dg"), *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def write(project: Path, name: str, attributes: str) -> Path:
    file = project / "shop" / "defs" / name / "defs.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"type: {TYPE}\n\nattributes:\n{attributes}", encoding="utf-8")
    return file


def test_it_is_scaffolded_configured_and_loaded_twice_in_one_project(project: Path) -> None:
    scaffolded = dg_command(project, "scaffold", "defs", TYPE, "north")
    assert scaffolded.returncode == 0, scaffolded.stderr
    assert (project / "shop" / "defs" / "north" / "defs.yaml").exists()
    write(project, "north", "  prefix: north\n  environment_prefix: NORTH_\n")
    write(project, "south", "  prefix: south\n  environment_prefix: SOUTH_\n  owners: ['team:growth']\n")
    listed = dg_command(project, "list", "defs", "--json")
    assert listed.returncode == 0, listed.stderr
    for name in ("north/customerio/people", "south/customerio/people", "north_sync", "south_stripe_changes"):
        assert name in listed.stdout


def test_a_misspelt_attribute_is_reported_with_file_and_line(project: Path) -> None:
    file = write(project, "north", "  prefix: north\n  enviroment_prefix: NORTH_\n")
    checked = dg_command(project, "check", "yaml")
    assert checked.returncode == 1
    told = checked.stdout + checked.stderr
    assert f"{file}:5" in told
    assert "enviroment_prefix" in told


@pytest.mark.parametrize("prefix", ["north-east", "1st", "a/b"])
def test_a_prefix_that_dagster_cannot_use_is_refused(prefix: str) -> None:
    with pytest.raises(ValidationError, match="letters, digits and underscores"):
        StripeCustomerIoComponent(prefix=prefix)


def test_a_policy_file_stands_beside_the_defs_yaml_or_is_named(tmp_path: Path) -> None:
    (tmp_path / "fast.yaml").write_text("schedule: {sync: '*/5 * * * *'}\n", encoding="utf-8")
    definitions = dg.build_defs_for_component(StripeCustomerIoComponent(config=str(tmp_path / "fast.yaml")))
    assert definitions.get_repository_def().get_schedule_def("sync_schedule").cron_schedule == "*/5 * * * *"
    with pytest.raises(PolicyError, match=r"nowhere\.yaml does not exist"):
        dg.build_defs_for_component(StripeCustomerIoComponent(config="nowhere.yaml"))


def test_automation_can_begin_switched_on() -> None:
    definitions = dg.build_defs_for_component(StripeCustomerIoComponent(running=True))
    assert (
        definitions.get_repository_def().get_schedule_def("sync_schedule").default_status
        == dg.DefaultScheduleStatus.RUNNING
    )
    assert (
        definitions.get_repository_def().get_sensor_def("stripe_changes").default_status
        == dg.DefaultSensorStatus.RUNNING
    )


@pytest.fixture
def companies(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Sandbox]]:
    """Two accounts with their workspaces."""
    with (
        Sandbox(seed=1, customers=4, history_days=30, customerio=CustomerioSwitches.gentle()) as north,
        Sandbox(seed=2, customers=6, history_days=30, customerio=CustomerioSwitches.gentle()) as south,
    ):
        found = {"north": north, "south": south}
        for prefix, sandbox in found.items():
            for name, value in sandbox.environment().items():
                monkeypatch.setenv(f"{prefix.upper()}_{name}", value)
        yield found


def test_two_in_one_project_keep_to_their_own_account_workspace_and_warehouse(
    companies: dict[str, Sandbox], tmp_path: Path
) -> None:
    definitions = dg.Definitions.merge(
        *(
            dg.build_defs_for_component(
                StripeCustomerIoComponent(
                    prefix=prefix, environment_prefix=f"{prefix.upper()}_", home=str(tmp_path / "home")
                )
            )
            for prefix in companies
        )
    )
    for prefix in companies:
        with dg.DagsterInstance.ephemeral() as instance:
            result = definitions.resolve_job_def(f"{prefix}_sync").execute_in_process(
                instance=instance,
                run_config={
                    "ops": {f"{prefix}_make_plan": {"config": {"approve": True}}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )
        assert result.success
    for prefix, sandbox in companies.items():
        assert (tmp_path / "home" / f"{prefix}.duckdb").exists()
        linked = {person.id for person in sandbox.customerio.people() if person.id}
        assert linked
        assert linked <= set(sandbox.stripe.objects("customer"))


def test_a_variable_without_the_prefix_belongs_to_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "rk_test_somebodyelses00")
    definitions = dg.build_defs_for_component(
        StripeCustomerIoComponent(prefix="north", environment_prefix="NORTH_", home="home")
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("north_sync").execute_in_process(
            instance=instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "STRIPE_API_KEY is not set" in str(failure.step_failure_data.user_failure_data.description)


def test_the_core_never_imports_dagster() -> None:
    program = (
        "import sys\n"
        "import stripe_cio_pipeline, stripe_cio_pipeline.extract, stripe_cio_pipeline.model\n"
        "import stripe_cio_pipeline.plan, stripe_cio_pipeline.deliver\n"
        "sys.exit('dagster' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
