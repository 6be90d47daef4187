"""The component in somebody else's project."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from pydantic import ValidationError

from stripe_cio_pipeline.component import StripeCustomerIoComponent
from stripe_cio_pipeline.errors import PolicyError, SettingsError
from stripe_cio_pipeline.orchestration.layout import TableProps
from tests.orchestration.projects import BETA, dg_command, installed

TYPE = "stripe_cio_pipeline.component.StripeCustomerIoComponent"
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
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Dagster project of somebody who has heard of us, as installed."""
    (tmp_path / "shop" / "defs").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "shop" / "definitions.py").write_text(DEFINITIONS, encoding="utf-8")
    for folder in ("shop", "shop/defs"):
        (tmp_path / folder / "__init__.py").touch()
    with installed(tmp_path, "shop", tmp_path, monkeypatch):
        yield tmp_path


def write(project: Path, name: str, attributes: str) -> Path:
    file = project / "shop" / "defs" / name / "defs.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"type: {TYPE}\n\nattributes:\n{attributes}", encoding="utf-8")
    return file


@BETA
def test_what_is_scaffolded_explains_itself_and_loads_beside_another(project: Path) -> None:
    scaffolded = dg_command(project, "scaffold", "defs", TYPE, "north-eu")
    assert scaffolded.code == 0, scaffolded.text
    folder = project / "shop" / "defs" / "north-eu"
    written = (folder / "defs.yaml").read_text(encoding="utf-8")
    for variable in ("STRIPE_API_KEY", "CUSTOMERIO_SITE_ID", "CUSTOMERIO_TRACK_API_KEY", "STRIPE_CIO_SMTP_URL"):
        assert f"# {variable}" in written.replace("#   NORTH_EU_", "# ")
    assert sorted(file.name for file in (folder / "models").iterdir()) == ["events.sql", "people.sql"]
    (folder / "models" / "people.sql").write_text("select broken", encoding="utf-8")
    write(project, "south", "  prefix: south\n  environment_prefix: SOUTH_\n  owners: ['team:growth']\n")
    assert dg_command(project, "check", "yaml", str(folder)).code == 0
    definitions = dg.load_from_defs_folder(path_within_project=project / "shop")
    graph = definitions.resolve_asset_graph()
    assert graph.has(dg.AssetKey(["south", "customerio", "people"]))
    assert definitions.resolve_job_def("north_eu_sync")
    # The models beside the defs.yaml are the ones that count.
    assert "people.sql" in graph.get(dg.AssetKey(["north_eu", "model", "people"])).metadata["lineage"].value


WRONG = """\
  prefix: north-eu
  environment_prefix: "1_"
  warehouse: md:shop
  owners: ["growth"]
  tags: {"a b": c}
  running: maybe
  settings:
    stripe_api_key: not_a_variable
    customerio_regio: eu
  config: missing.yaml
  policy:
    guard: {max_chnged: 3}
    schedule: {sync: 5 minutes}
    events: {forward: [invoice.payed]}
    alerts: {mail_to: [nobody]}
    identity: {strategy: metadata}
  translation: {group_nam: x}
  runing: true
"""


def test_every_wrong_value_is_refused_with_file_and_line(project: Path) -> None:
    file = write(project, "north", WRONG)
    checked = dg_command(project, "check", "yaml")
    assert checked.code == 1
    lines = {int(line) for line in re.findall(rf"^{re.escape(str(file))}:(\d+) - ", checked.text, re.MULTILINE)}
    headings = {3 + number for number, line in enumerate(WRONG.splitlines(), 1) if line in {"  settings:", "  policy:"}}
    assert lines == {3 + number for number in range(1, len(WRONG.splitlines()) + 1)} - headings


def test_a_policy_file_that_is_missing_is_refused_and_the_one_beside_is_named(project: Path) -> None:
    file = write(project, "north", "  config: missing.yaml\n")
    (file.parent / "stripe_cio.yaml").touch()
    checked = dg_command(project, "check", "yaml")
    assert checked.code == 1
    assert f"{file}:4 - " in checked.text
    assert "'missing.yaml' is not one of ['stripe_cio.yaml']" in checked.text


def test_a_mistake_in_a_policy_file_is_refused_with_its_file_and_line(project: Path) -> None:
    file = write(project, "north", "  config: stripe_cio.yaml\n")
    policy = file.parent / "stripe_cio.yaml"
    policy.write_text(
        "# ours\nguard:\n  max_changed_people: 5\n  max_chnged: 3\nevents:\n  forward:\n    - invoice.payed\n"
    )
    checked = dg_command(project, "check", "yaml")
    assert checked.code == 1
    assert f"{file}:4 - " in checked.text
    assert f"{policy}: line 4: guard.max_chnged is not a known key" in checked.text
    assert "line 6: events.forward: invoice.payed is not a Stripe event type" in checked.text
    # The names of others are let through beside it.
    write(project, "south", '  prefix: south\n  config: "{{ env.SOUTH_POLICY }}"\n')
    assert dg_command(project, "check", "yaml", str(project / "shop" / "defs" / "south")).code == 0
    policy.write_text("guard: {max_changed_people: 3}\n")
    assert dg_command(project, "check", "yaml", str(file.parent)).code == 0


def test_every_attribute_is_explained_to_editors_and_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "dagster.md").read_text(encoding="utf-8")
    for name, schema in StripeCustomerIoComponent.model().model_json_schema()["properties"].items():
        assert schema.get("description"), name
        assert f"| `{name}` |" in page


def test_a_policy_file_that_is_there_and_templates_are_let_through(project: Path) -> None:
    write(project, "north", '  prefix: "{{ env.PREFIX }}"\n  owners: "{{ owners() }}"\n  config: fast.yaml\n')
    (project / "shop" / "defs" / "north" / "fast.yaml").touch()
    checked = dg_command(project, "check", "yaml")
    assert checked.code == 0, checked.text


@BETA
def test_what_is_loaded_unchecked_is_refused_with_file_and_line_too(project: Path) -> None:
    file = write(project, "north", "  prefix: north-eu\n  settings: {stripe_api_key: rk_test_0123456789}\n")
    with pytest.raises(Exception, match="north") as refused:
        dg.load_from_defs_folder(path_within_project=project / "shop")
    said = str(refused.value.__cause__)
    assert f"attributes.prefix at {file}:4" in said
    assert f"attributes.settings.stripe_api_key at {file}:5" in said
    assert "0123456789" not in said


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


@pytest.mark.parametrize("given", [{"stripe_api_key": "rk_test_0123456789"}, {"stripe_key": dg.EnvVar("KEY")}])
def test_a_secret_is_given_by_its_variable_in_python_too(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"dg\.EnvVar|there is no setting stripe_key") as refused:
        StripeCustomerIoComponent(settings=given)
    assert "0123456789" not in str(refused.value)
    assert StripeCustomerIoComponent(settings={"stripe_api_key": dg.EnvVar("KEY"), "customerio_region": "eu"})


@pytest.mark.parametrize(
    ("component", "shown"),
    [
        (StripeCustomerIoComponent(), {}),
        (
            StripeCustomerIoComponent(
                prefix="north",
                environment_prefix="NORTH_",
                policy={"guard": {"max_events": 7}},
                settings={"stripe_api_key": dg.EnvVar("NORTH_KEY")},
            ),
            {"name": "north", "environment_prefix": "NORTH_", "settings": {"stripe_api_key": {"env": "NORTH_KEY"}}},
        ),
    ],
    ids=["nothing", "names of variables"],
)
def test_a_launchpad_begins_with_no_empty_settings_and_with_no_copy_of_the_policy(
    component: StripeCustomerIoComponent, shown: dict[str, object]
) -> None:
    definitions = dg.build_defs_for_component(component)
    schema = definitions.resolve_job_def(f"{component.prefix}_sync".lstrip("_")).run_config_schema.config_type
    resources = schema.fields["resources"].default_value
    (ours,) = (value["config"] for name, value in resources.items() if name.endswith("pipeline"))
    # What is None is left out of the launchpad.
    assert {name: value for name, value in ours.items() if value is not None} == shown


def test_a_policy_and_a_file_of_one_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="exclude each other"):
        StripeCustomerIoComponent(policy={}, config="stripe_cio.yaml")


def test_a_project_overrides_the_spec_of_each_table() -> None:
    class Ours(StripeCustomerIoComponent):
        def get_asset_spec(self, props: TableProps) -> dg.AssetSpec:
            spec = super().get_asset_spec(props)
            return spec.replace_attributes(key=["raw", props.name]) if props.group == "stripe" else spec

    definitions = dg.build_defs_for_component(Ours(prefix="north"))
    graph = definitions.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["raw", "customers"])).description
    upstream = graph.get(dg.AssetKey(["north", "model", "members"])).parent_keys
    assert dg.AssetKey(["raw", "customers"]) in upstream
    ours = definitions.resolve_job_def("north_sync").asset_layer.executable_asset_keys
    assert {dg.AssetKey(["raw", "events"]), dg.AssetKey(["north", "customerio", "people"])} <= ours


def test_a_key_that_others_cannot_point_at_is_refused() -> None:
    class Ours(StripeCustomerIoComponent):
        def get_asset_spec(self, props: TableProps) -> dg.AssetSpec:
            return props.spec.replace_attributes(key=["room", *sorted(props.spec.kinds), props.name])

    with pytest.raises(SettingsError, match=r"props\.name"):
        dg.build_defs_for_component(Ours())


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
