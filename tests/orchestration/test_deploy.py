"""The files in deploy/ say the same as the ones at the root, as far as can be shown without a cluster."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
INSTANCE = ROOT / "stripe_cio_pipeline" / "orchestration" / "instance"


def load(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["dagster.yaml", "workspace.yaml"])
def test_the_shipped_instance_files_are_those_at_the_root(name: str) -> None:
    assert (INSTANCE / name).read_text(encoding="utf-8") == (ROOT / name).read_text(encoding="utf-8")


def test_the_location_has_one_name_by_every_entry_point() -> None:
    """`dagster dev` reads pyproject.toml where that has a [tool.dg] block, and workspace.yaml elsewhere."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["dg"]["project"]
    names = {
        project["code_location_name"],
        load(ROOT / "workspace.yaml")["load_from"][0]["python_module"]["location_name"],
        load(DEPLOY / "compose" / "workspace.yaml")["load_from"][0]["grpc_server"]["location_name"],
        load(DEPLOY / "systemd" / "workspace.yaml")["load_from"][0]["grpc_server"]["location_name"],
    }
    assert names == {"stripe_cio_pipeline"}
    modules = {
        project["code_location_target_module"],
        load(ROOT / "workspace.yaml")["load_from"][0]["python_module"]["module_name"],
    }
    assert modules == {"stripe_cio_pipeline.definitions"}


def test_the_instance_of_compose_is_the_one_at_the_root_with_its_records_in_postgres() -> None:
    ours, composed = load(ROOT / "dagster.yaml"), load(DEPLOY / "compose" / "dagster.yaml")
    assert set(composed.pop("storage")) == {"postgres"}
    assert composed == ours


def test_runs_go_one_at_a_time_on_kubernetes_too() -> None:
    ours = load(ROOT / "dagster.yaml")["concurrency"]["runs"]["tag_concurrency_limits"]
    daemon = load(DEPLOY / "kubernetes" / "values.yaml")["dagsterDaemon"]
    assert daemon["runCoordinator"]["config"]["queuedRunCoordinator"]["tagConcurrencyLimits"] == ours
    assert (
        daemon["runMonitoring"]["maxRuntimeSeconds"]
        == load(ROOT / "dagster.yaml")["run_monitoring"]["max_runtime_seconds"]
    )


def test_the_warehouse_of_the_cluster_is_claimed_where_it_is_used() -> None:
    claim = load(DEPLOY / "kubernetes" / "warehouse.yaml")["metadata"]["name"]
    (deployment,) = load(DEPLOY / "kubernetes" / "values.yaml")["dagster-user-deployments"]["deployments"]
    assert deployment["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim
    home = {entry["name"]: entry["value"] for entry in deployment["env"]}["STRIPE_CIO_HOME"]
    assert deployment["volumeMounts"][0]["mountPath"] == home
    assert deployment["includeConfigInLaunchedRuns"]["enabled"]


def test_only_the_code_location_knows_the_keys() -> None:
    services = load(DEPLOY / "compose" / "compose.yaml")["services"]
    assert {name for name, service in services.items() if "env_file" in service} == {"code"}
    assert {name for name, service in services.items() if "warehouse:/var/lib/stripe-cio" in service["volumes"]} == {
        "code"
    }


def test_the_ui_is_not_open_to_the_network() -> None:
    assert load(DEPLOY / "compose" / "compose.yaml")["services"]["webserver"]["ports"] == ["127.0.0.1:3000:3000"]
    assert " -h 127.0.0.1 " in (DEPLOY / "systemd" / "stripe-cio-webserver.service").read_text(encoding="utf-8")


def pins(name: str) -> dict[str, str]:
    """The versions of a lock, by name."""
    found = re.findall(r"^([\w.-]+)==(\S+)(?: ; [^\n]*)? \\$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    return dict(found)


def test_the_image_has_what_runs_by_hash_and_no_tools_of_development() -> None:
    lines = [line for line in (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines() if "pip install" in line]
    assert [
        line for line in lines if "--require-hashes -r requirements-deploy.lock" not in line and " . " not in line
    ] == []
    deployed, known = pins("requirements-deploy.lock"), pins("requirements.lock")
    assert {"duckdb", "stripe", "dagster", "dagster-postgres", "dagster-k8s", "setuptools"} <= deployed.keys()
    assert not {"pytest", "ruff", "mypy", "playwright", "hypothesis", "vulture", "uv"} & deployed.keys()
    differing = {
        name: (version, known[name]) for name, version in deployed.items() if known.get(name, version) != version
    }
    assert differing == {}


def test_dagsters_libraries_fit_the_locked_dagster() -> None:
    """Libraries are numbered 0.29 where dagster is 1.13, patch by patch; the chart has dagster's number."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = re.search(r"^dagster==1\.13\.(\d+)", lock, re.MULTILINE)
    assert locked
    assert {pins("requirements-deploy.lock")[f"dagster-{name}"] for name in ("postgres", "k8s")} == {
        f"0.29.{locked[1]}"
    }
    assert f"--version 1.13.{locked[1]} " in (DEPLOY / "kubernetes" / "values.yaml").read_text(encoding="utf-8")


def test_the_image_has_this_release() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for service in load(DEPLOY / "compose" / "compose.yaml")["services"].values():
        assert service["image"] in {f"stripe-cio-pipeline:{version}", "postgres:17"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    units = []
    for file in sorted((DEPLOY / "systemd").glob("*.service")):
        units.append(tmp_path / file.name)
        text = file.read_text(encoding="utf-8").replace("/opt/stripe-cio/bin", str(Path(sys.executable).parent))
        units[-1].write_text(text, encoding="utf-8")
    assert len(units) == 3
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False, timeout=60
    )
    assert (found.returncode, [line for line in found.stderr.splitlines() if "stripe-cio" in line]) == (0, [])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
@pytest.mark.parametrize("unit", sorted((DEPLOY / "systemd").glob("*.service")), ids=lambda unit: unit.stem)
def test_a_unit_is_exposed_to_little(unit: Path) -> None:
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    exposure = re.search(r"Overall exposure level for .*: ([\d.]+)", said)
    assert exposure, said
    assert float(exposure[1]) < 3


def test_what_a_unit_writes_is_private() -> None:
    for unit in (DEPLOY / "systemd").glob("*.service"):
        assert "\nUMask=0077\n" in unit.read_text(encoding="utf-8")


def test_containers_have_no_privileges_that_they_do_not_need() -> None:
    for name, service in load(DEPLOY / "compose" / "compose.yaml")["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert ("cap_add" in service) == (name == "postgres")
    (deployment,) = load(DEPLOY / "kubernetes" / "values.yaml")["dagster-user-deployments"]["deployments"]
    assert deployment["podSecurityContext"]["runAsNonRoot"]
    assert deployment["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
