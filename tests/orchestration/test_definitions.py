"""The whole graph, held by a snapshot: a renamed asset loses its history, so a difference is worth a look.

To accept a difference: python -m tests.orchestration.test_definitions
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from stripe_cio_pipeline.model.trace import lineage
from stripe_cio_pipeline.orchestration.factory import build_definitions
from stripe_cio_pipeline.orchestration.layout import Layout
from stripe_cio_pipeline.orchestration.names import Names
from stripe_cio_pipeline.orchestration.pipeline import PipelineResource
from stripe_cio_pipeline.policy import parse_policy

ROOT = Path(__file__).parents[2]
SNAPSHOT = Path(__file__).with_name("definitions.json")


def snapshot(definitions: dg.Definitions) -> dict[str, Any]:
    """All that state, history and other people's code hang on. No path and no prose."""
    graph = definitions.resolve_asset_graph()
    repository = definitions.get_repository_def()
    return {
        "assets": {
            key.to_user_string(): {
                "group": node.group_name,
                "upstream": sorted(parent.to_user_string() for parent in node.parent_keys),
                "kinds": sorted(node.kinds),
                "table": node.metadata.get("dagster/table_name"),
                "metadata": sorted(node.metadata),
                "tags": {name: value for name, value in sorted(node.tags.items()) if "kind" not in name},
            }
            for key in sorted(graph.get_all_asset_keys(), key=lambda key: key.to_user_string())
            for node in [graph.get(key)]
        },
        "checks": {
            f"{spec.asset_key.to_user_string()}:{spec.name}": "blocking" if spec.blocking else "warning"
            for checks in (graph.asset_check_keys,)
            for key in sorted(checks, key=lambda key: (key.asset_key.to_user_string(), key.name))
            for spec in [graph.get_check_spec(key)]
        },
        "jobs": {
            job.name: sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys)
            for job in sorted(repository.get_all_jobs(), key=lambda job: job.name)
            if not job.name.startswith("__")
        },
        "schedules": {
            schedule.name: [schedule.job_name, schedule.cron_schedule, schedule.default_status.value]
            for schedule in sorted(repository.schedule_defs, key=lambda schedule: schedule.name)
        },
        "sensors": {
            sensor.name: [
                *(target.job_name for target in sensor.targets),
                sensor.minimum_interval_seconds,
                sensor.default_status.value,
            ]
            for sensor in repository.sensor_defs
        },
        "resources": sorted(repository.get_top_level_resources()),
        "config": {
            op.name: sorted(op.config_schema.as_field().config_type.fields)
            for assets in sorted(definitions.assets or [], key=lambda assets: assets.op.name)
            for op in [assets.op]
            if hasattr(op.config_schema.as_field().config_type, "fields")
        },
    }


def built(prefix: str = "") -> dg.Definitions:
    return build_definitions(Layout(names=Names(prefix)), PipelineResource())


def test_the_graph_is_as_it_was() -> None:
    assert snapshot(built()) == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_a_prefix_stands_before_every_name() -> None:
    plain, prefixed = snapshot(built()), snapshot(built("acme"))
    assert list(prefixed["assets"]) == [f"acme/{name}" for name in plain["assets"]]
    for kind in ("jobs", "schedules", "sensors"):
        assert list(prefixed[kind]) == [f"acme_{name}" for name in plain[kind]]
    assert prefixed["resources"] == ["acme_pipeline"]


def test_everything_that_sends_is_switched_off() -> None:
    found = snapshot(built())
    assert {status for *_, status in (*found["schedules"].values(), *found["sensors"].values())} == {"STOPPED"}


def test_cron_lines_and_pace_come_from_the_policy() -> None:
    policy = parse_policy(
        {"schedule": {"sync": "*/10 * * * *"}, "stripe": {"poll_seconds": 60, "monthly_reads": 1_000_000}}
    )
    found = snapshot(build_definitions(Layout(policy=policy), PipelineResource()))
    assert found["schedules"]["sync_schedule"][1] == "*/10 * * * *"
    assert found["sensors"]["stripe_changes"][1] == 60


def test_what_the_policy_leaves_out_is_no_asset() -> None:
    policy = parse_policy({"stripe": {"leave_out": ["disputes", "credit_notes"]}})
    found = snapshot(build_definitions(Layout(policy=policy), PipelineResource()))
    assert set(snapshot(built())["assets"]) - set(found["assets"]) == {"stripe/disputes", "stripe/credit_notes"}
    assert "stripe/disputes" not in found["assets"]["model/people"]["upstream"]


def test_every_asset_says_what_it_is_and_where_it_comes_from() -> None:
    graph = built().resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.freshness_policy is not None, key
        references = node.metadata["dagster/code_references"].code_references
        for reference in references:
            lines = Path(reference.file_path).read_text(encoding="utf-8").splitlines()
            assert 1 <= reference.line_number <= len(lines), key
        if key.path[0] == "stripe" and key.path[1] != "reconciliation":
            assert "GET /v1/" in node.description, key
        if key.path[0] == "model" and key.path[1] != "overview":
            assert "```sql" in node.description, key


def test_each_attribute_is_drawn_alone_under_its_meaning_in_the_entry_with_its_letter() -> None:
    metadata = built().resolve_asset_graph().get(dg.AssetKey(["model", "people"])).metadata
    drawn: list[str] = []
    for name, entry in metadata.items():
        if name.startswith("lineage "):
            first, last = name.removeprefix("lineage ")[0], name[-1]
            found = re.findall(r"^### (\w+)$", entry.value, re.MULTILINE)
            assert all(first <= attribute[0] <= last for attribute in found), name
            assert len(re.findall(r"^!\[Which Stripe fields feed \w+\]\(data:", entry.value, re.MULTILINE)) == len(
                found
            )
            drawn += found
    assert sorted(drawn) == sorted(lineage(parse_policy({})))
    whole = "\n".join(str(entry.value) for name, entry in metadata.items() if name.startswith("lineage "))
    assert re.search(
        r"### delinquent\n\nWhether Stripe calls any .+\n\n!\[Which Stripe fields feed delinquent\]", whole
    )


def test_every_setting_of_a_run_has_a_type_and_a_description() -> None:
    for assets in built().assets or []:
        fields = getattr(assets.op.config_schema.as_field().config_type, "fields", {})
        for name, field in fields.items():
            assert field.description, f"{assets.op.name}.{name}"


def test_broken_models_do_not_keep_the_definitions_from_loading(tmp_path: Path) -> None:
    (tmp_path / "people.sql").write_text("select from where", encoding="utf-8")
    policy = parse_policy({"models": {"folder": str(tmp_path)}})
    graph = build_definitions(Layout(policy=policy), PipelineResource()).resolve_asset_graph()
    shown = graph.get(dg.AssetKey(["model", "people"])).metadata["lineage"].value
    assert "people.sql" in shown


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment with nothing in it, and nowhere to write."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DAGSTER_DISABLE_TELEMETRY": "1"}


def test_definitions_load_without_environment_warehouse_or_network(bare: dict[str, str], tmp_path: Path) -> None:
    program = (
        "import socket\n"
        "def refuse(*_, **__): raise AssertionError('the network was used')\n"
        "socket.socket.connect = refuse\n"
        "import dagster as dg\n"
        "from stripe_cio_pipeline.definitions import defs\n"
        "dg.Definitions.validate_loadable(defs)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=bare,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        ["dg", "check", "defs"],
        ["dagster", "definitions", "validate", "-w", "workspace.yaml"],
    ],
    ids=" ".join,
)
def test_dagsters_own_commands_find_nothing_wrong(command: list[str], bare: dict[str, str]) -> None:
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [str(program), *command[1:]],
        env={**bare, "PATH": f"{program.parent}{os.pathsep}{bare['PATH']}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(snapshot(built()), indent=2) + "\n", encoding="utf-8")
