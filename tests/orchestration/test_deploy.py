"""The files in deploy/ say the same as the ones at the root, as far as can be shown without a cluster."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
import yaml

from stripe_cio_pipeline.cli.app import app
from stripe_cio_pipeline.cli.session import LOCK_WAIT_SECONDS
from stripe_cio_pipeline.listening import serving
from tests.listening.doors import open_door

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
INSTANCE = ROOT / "stripe_cio_pipeline" / "orchestration" / "instance"
#: Read here, because no variable of this kind reaches a test. Read as a full path: a test has a folder of its own.
CHART_SCHEMA = os.environ.get("DAGSTER_CHART_SCHEMA") and Path(os.environ["DAGSTER_CHART_SCHEMA"]).absolute()


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


def test_only_the_code_location_and_the_receiver_know_the_keys_and_the_warehouse() -> None:
    services = load(DEPLOY / "compose" / "compose.yaml")["services"]
    knowing = {"code", "listen"}
    assert {name for name, service in services.items() if "env_file" in service} == knowing
    assert {
        name for name, service in services.items() if "warehouse:/var/lib/stripe-cio" in service.get("volumes", ())
    } == knowing


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
    assert len(units) == 4
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
        assert service["read_only"], name
        assert "/tmp" in service["tmpfs"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert ("cap_add" in service) == (name == "postgres")
        assert not service.keys() & {"privileged", "user", "network_mode", "pid", "ipc"}
    for part in pods():
        assert part["podSecurityContext"]["runAsNonRoot"]
        assert part["podSecurityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert part["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }


def pods() -> list[dict[str, Any]]:
    """What the chart makes a pod of and we say something about."""
    values = load(DEPLOY / "kubernetes" / "values.yaml")
    return [*values["dagster-user-deployments"]["deployments"], values["dagsterWebserver"], values["dagsterDaemon"]]


def receiver() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The cluster's `listen`: its Deployment, the one container of it, and its Service."""
    deployment, service = yaml.safe_load_all((DEPLOY / "kubernetes" / "listen.yaml").read_text(encoding="utf-8"))
    assert (deployment["kind"], service["kind"]) == ("Deployment", "Service")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return deployment, container, service


def test_what_is_written_has_a_place_where_the_root_is_read_only() -> None:
    """The image's own folders for it: the warehouse, Dagster's logs, and what is gone when it stops."""
    image = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    for part in pods():
        places = {mount["name"]: mount["mountPath"] for mount in part["volumeMounts"]}
        assert places.keys() == {volume["name"] for volume in part["volumes"]}
        assert {"/tmp", "/opt/dagster/dagster_home/storage"} <= set(places.values())
        assert all(place == "/tmp" or place in image for place in places.values())
    for name, service in load(DEPLOY / "compose" / "compose.yaml")["services"].items():
        # Neither is one of Dagster's processes.
        if name not in ("postgres", "listen"):
            assert "logs:/opt/dagster/dagster_home/storage" in service["volumes"], name


def test_the_image_runs_as_the_user_who_owns_what_is_written() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    (user,) = [line.removeprefix("USER ") for line in lines if line.startswith("USER ")]
    assert user == "1000:1000"
    for part in pods():
        context = part["podSecurityContext"]
        assert f"{context['runAsUser']}:{context['runAsGroup']}" == user
        assert part["image"] == pods()[0]["image"]


def test_the_cluster_receives_webhooks_beside_the_warehouse_as_its_runs_are_confined() -> None:
    deployment, container, _ = receiver()
    (runs,) = load(DEPLOY / "kubernetes" / "values.yaml")["dagster-user-deployments"]["deployments"]
    pod = deployment["spec"]["template"]["spec"]
    assert container["image"] == f"{runs['image']['repository']}:{runs['image']['tag']}"
    assert container["imagePullPolicy"] == runs["image"]["pullPolicy"]
    assert container["env"] == runs["env"]
    assert container["envFrom"] == [{"secretRef": secret} for secret in runs["envSecrets"]]
    for kind, given in (("volumes", pod["volumes"]), ("volumeMounts", container["volumeMounts"])):
        # Dagster's own storage is no business of it.
        assert given == [each for each in runs[kind] if each["name"] != "storage"]
    assert pod["securityContext"] == runs["podSecurityContext"]
    assert container["securityContext"] == runs["securityContext"]
    assert not pod["automountServiceAccountToken"]
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}


def test_one_pod_receives_and_it_has_ended_before_another_begins_on_the_node_of_the_volume() -> None:
    deployment, _, _ = receiver()
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    (near,) = deployment["spec"]["template"]["spec"]["affinity"]["podAffinity"].popitem()[1]
    (runs,) = load(DEPLOY / "kubernetes" / "values.yaml")["dagster-user-deployments"]["deployments"]
    # So the chart labels the pod of a code location.
    assert near == {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {"component": "user-deployments", "deployment": runs["name"]}},
    }


def test_the_service_of_the_cluster_leads_to_the_port_that_is_listened_at() -> None:
    deployment, container, service = receiver()
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels == service["spec"]["selector"]
    (listened,) = container["ports"]
    (offered,) = service["spec"]["ports"]
    assert arguments_of(container["command"]) == {"--host": "0.0.0.0", "--port": str(listened["containerPort"])}
    assert (offered["targetPort"], offered["port"]) == (listened["name"], listened["containerPort"])
    assert service["spec"].get("type", "ClusterIP") == "ClusterIP"
    assert container["readinessProbe"]["httpGet"]["port"] == listened["name"]


def test_webhooks_reach_the_container_of_compose_from_this_machine_alone() -> None:
    services = load(DEPLOY / "compose" / "compose.yaml")["services"]
    listen = services["listen"]
    assert arguments_of(listen["command"]) == {"--host": "0.0.0.0", "--port": "8787"}
    assert listen["ports"] == ["127.0.0.1:8787:8787"]
    assert listen["image"] == services["code"]["image"]
    assert listen["env_file"] == services["code"]["env_file"]
    # The home is the image's, for the code location too.
    assert "STRIPE_CIO_HOME=/var/lib/stripe-cio " in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert "environment" not in listen, "Dagster's password is no business of it"
    # It cannot run without a secret, and is not begun where nobody asks for it.
    assert listen["profiles"] == ["real-time"]


def arguments_of(command: list[str]) -> dict[str, str]:
    """The options of a `stripe-cio listen`, each of which there is."""
    assert command[:2] == ["stripe-cio", "listen"]
    given = dict(zip(command[2::2], command[3::2], strict=True))
    listen = typer.main.get_command(app).commands["listen"]  # type: ignore[attr-defined]
    assert given.keys() <= {name for parameter in listen.params for name in parameter.opts}
    return given


def test_what_ends_gets_the_time_that_it_takes() -> None:
    """Ten seconds: requests under way, then the worker, and a rest."""
    takes = serving._REQUESTS_END + serving._WORKER_ENDS
    deployment, _, _ = receiver()
    assert takes <= 10 <= deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    compose = load(DEPLOY / "compose" / "compose.yaml")["services"]["listen"]
    assert int(compose["stop_grace_period"].removesuffix("s")) >= 10
    unit = (DEPLOY / "systemd" / "stripe-cio-listen.service").read_text(encoding="utf-8")
    assert int(unit.split("TimeoutStopSec=")[1].split()[0]) >= 10


def asked(command: list[str], port: int, timeout: float = 15) -> int:
    """Run the command of a probe as the container would, against a port of this machine, and give its exit code."""
    assert command[:2] == ["python", "-c"]
    assert command[2].count("8787, timeout=15)") == 1
    script = command[2].replace("8787, timeout=15)", f"{port}, timeout={timeout})")
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, check=False, timeout=60
    ).returncode


def test_where_nothing_can_be_stored_requests_are_kept_away_and_nothing_is_restarted(tmp_path: Path) -> None:
    _, container, _ = receiver()
    lives, is_ready = container["livenessProbe"], container["readinessProbe"]
    healthy = load(DEPLOY / "compose" / "compose.yaml")["services"]["listen"]["healthcheck"]
    assert healthy["test"][0] == "CMD"
    with open_door(tmp_path) as door:
        assert door.get(is_ready["httpGet"]["path"])[0] == 200
        assert asked(healthy["test"][1:], door.port) == 0
        assert asked(lives["exec"]["command"], door.port) == 0
        door.inbox._most_events = 0
        assert door.get(is_ready["httpGet"]["path"])[0] == 503
        assert asked(healthy["test"][1:], door.port) == 1
        assert asked(lives["exec"]["command"], door.port) == 0


def test_who_gives_no_answer_at_all_does_not_live() -> None:
    _, container, _ = receiver()
    lives = container["livenessProbe"]
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        assert asked(lives["exec"]["command"], port) != 0, "nobody is there"
        silent.listen()
        assert asked(lives["exec"]["command"], port, timeout=0.05) != 0, "somebody is there, and says nothing"
    # Whoever asks gives up by itself first, and a start may wait a minute for the warehouse.
    assert lives["timeoutSeconds"] > 15
    assert lives["periodSeconds"] * lives["failureThreshold"] > LOCK_WAIT_SECONDS


#: What Dagster's chart 1.13 knows of these parts (helm/dagster/values.schema.json). Some of them refuse any other key.
CHART = {
    "": (
        "dagsterWebserver dagster-user-deployments postgresql generatePostgresqlPasswordSecret "
        "generateCeleryConfigSecret rabbitmq redis flower ingress imagePullSecrets computeLogManager "
        "scheduler runLauncher pythonLogs dagsterDaemon busybox migrate telemetry serviceAccount global "
        "retention additionalInstanceConfig"
    ),
    "dagsterDaemon": (
        "enabled image runCoordinator heartbeatTolerance env envConfigMaps envSecrets deploymentLabels labels "
        "nodeSelector affinity tolerations podSecurityContext securityContext resources livenessProbe "
        "readinessProbe startupProbe annotations runMonitoring runRetries sensors schedules schedulerName "
        "volumeMounts volumes initContainerResources"
    ),
    "dagsterDaemon.runCoordinator": ("enabled type config"),
    "dagsterDaemon.runCoordinator.config.queuedRunCoordinator": (
        "maxConcurrentRuns tagConcurrencyLimits dequeueIntervalSeconds dequeueNumWorkers dequeueUseThreads "
        "blockOpConcurrencyLimitedRuns"
    ),
    "dagster-user-deployments.deployments.0": (
        "name image dagsterApiGrpcArgs codeServerArgs includeConfigInLaunchedRuns port env envConfigMaps "
        "envSecrets annotations nodeSelector affinity tolerations podSecurityContext securityContext "
        "resources livenessProbe readinessProbe startupProbe labels volumeMounts volumes schedulerName "
        "initContainers sidecarContainers"
    ),
    "runLauncher": ("type config"),
    "telemetry": ("enabled"),
}


@pytest.mark.parametrize("place", CHART)
def test_the_chart_knows_every_key(place: str) -> None:
    part = load(DEPLOY / "kubernetes" / "values.yaml")
    for step in filter(None, place.split(".")):
        part = part[int(step)] if step.isdigit() else part[step]
    assert set(part) <= set(CHART[place].split())


def of_a_part(schema: Any) -> Any:
    """A schema for values that the chart's own complete, without what Kubernetes defines elsewhere."""
    if isinstance(schema, list):
        return [of_a_part(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: part for name, part in schema.items() if not str(part).startswith("https:")}
    return {name: of_a_part(part) for name, part in kept.items() if not isinstance(part, list) or name != "required"}


@pytest.mark.skipif(not CHART_SCHEMA, reason="DAGSTER_CHART_SCHEMA names no schema of the chart")
def test_the_values_fit_the_charts_own_schema() -> None:
    """`helm pull dagster/dagster --untar` gives dagster/values.schema.json."""
    schema = json.loads(Path(str(CHART_SCHEMA)).read_text(encoding="utf-8"))
    jsonschema.validate(load(DEPLOY / "kubernetes" / "values.yaml"), of_a_part(schema))


def test_compose_fits_the_schema_of_compose() -> None:
    schema = files("check_jsonschema.builtin_schemas.vendor").joinpath("compose-spec.json").read_text(encoding="utf-8")
    jsonschema.validate(load(DEPLOY / "compose" / "compose.yaml"), json.loads(schema))


def test_the_recipe_of_the_image_breaks_no_rule_of_hadolint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not installed here")
    found = subprocess.run([hadolint, "--no-color", DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")
