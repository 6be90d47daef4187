"""A sandbox, and a pipeline that leads to it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from stripe_cio_pipeline.orchestration.factory import build_definitions
from stripe_cio_pipeline.orchestration.layout import Layout
from stripe_cio_pipeline.orchestration.lineage import Traced
from stripe_cio_pipeline.orchestration.pipeline import PipelineResource
from stripe_cio_pipeline.policy import Policy, parse_policy
from stripe_cio_pipeline.sandbox import CustomerioSwitches, Sandbox
from stripe_cio_pipeline.settings import Settings, load_settings
from stripe_cio_pipeline.sync import sync_once
from stripe_cio_pipeline.warehouse import Warehouse
from tests.kept_open import kept_open
from tests.snapshots import Ports, Snapshot

#: Most tests are not about lineage.
NOT_TRACED = Traced()


@pytest.fixture
def policy() -> Policy:
    """The defaults, but nothing waits for the clock."""
    return parse_policy({"identity": {"settle_seconds": 0}})


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A small account, and a Customer.io that does at once what it is asked."""
    with Sandbox(seed=7, customers=12, history_days=60, customerio=CustomerioSwitches.gentle()) as running:
        yield running


@dataclass(frozen=True, slots=True)
class World:
    """A sandbox, the settings that lead to it, and the warehouse between."""

    sandbox: Sandbox
    settings: Settings
    policy: Policy
    warehouse: Warehouse

    def definitions(self, traced: Traced | None = NOT_TRACED) -> dg.Definitions:
        """Build what would be loaded. Its lineage is traced where that is what the test is about (None)."""
        return build_definitions(Layout(policy=self.policy), PipelineResource(), traced)

    def run(
        self,
        *assets: str,
        job: str = "sync",
        config: dict[str, object] | None = None,
        traced: Traced | None = NOT_TRACED,
    ) -> dg.ExecuteInProcessResult:
        """Run a job, or of all assets those that are named, as the UI does."""
        definitions = self.definitions(traced)
        selected = [dg.AssetKey(name.split("/")) for name in assets] or None
        found = definitions.resolve_implicit_global_asset_job_def() if selected else definitions.resolve_job_def(job)
        ops = {name: {"config": value} for name, value in (config or {}).items()}
        with dg.DagsterInstance.ephemeral() as instance:
            return found.execute_in_process(
                asset_selection=selected,
                instance=instance,
                raise_on_error=False,
                run_config={"ops": ops, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )


def in_world(sandbox: Sandbox, policy: Policy, home: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Let the environment point at a sandbox; the policy file stands in the working directory."""
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STRIPE_CIO_HOME", str(home))
    (home / "stripe_cio.yaml").write_text("identity: {settle_seconds: 0}\n", encoding="utf-8")
    settings = load_settings()
    return World(sandbox, settings, policy, Warehouse(settings.warehouse_location, lock_wait_seconds=5))


@pytest.fixture
def world(sandbox: Sandbox, policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which nothing was done yet."""
    return in_world(sandbox, policy, tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Snapshot]]:
    """The same world after a dry run (`read`), and after everything was delivered (`synced`)."""
    taken: dict[str, Snapshot] = {}
    folder, home = tmp_path_factory.mktemp("snapshots"), tmp_path_factory.mktemp("home")
    policy = parse_policy({"identity": {"settle_seconds": 0}})
    with Ports() as ports:
        born = {"seed": 7, "customers": 12, "history_days": 60, "start": int(time.time()), **ports.named}
        with (
            pytest.MonkeyPatch.context() as monkeypatch,
            Sandbox(**born, customerio=CustomerioSwitches.gentle()) as sandbox,
        ):
            world = in_world(sandbox, policy, home, monkeypatch)
            for name, runs in {"read": [{"dry_run": True}], "synced": [{"approve": True}, {}]}.items():
                with kept_open():
                    for run in runs:
                        sync_once(world.settings, policy, **run)
                taken[name] = Snapshot.take(sandbox, home, folder / name, born)
        yield taken


@contextmanager
def lived_on(snapshot: Snapshot, policy: Policy, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Go on from a snapshot in a folder."""
    snapshot.home(folder)
    with snapshot.sandbox() as sandbox:
        yield in_world(sandbox, policy, folder, monkeypatch)


@pytest.fixture
def read(
    snapshots: dict[str, Snapshot], policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """A world whose Stripe was read and modelled, and of which Customer.io was told nothing."""
    with lived_on(snapshots["read"], policy, tmp_path, monkeypatch) as world:
        yield world


@pytest.fixture
def synced(
    snapshots: dict[str, Snapshot], policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """A world in which everything was delivered."""
    with lived_on(snapshots["synced"], policy, tmp_path, monkeypatch) as world:
        yield world
