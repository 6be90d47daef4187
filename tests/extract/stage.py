"""A sandbox account, a warehouse, and an independent look at what Stripe lists now."""

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from stripe_cio_pipeline.extract import (
    OBJECTS,
    PINNED_VERSION,
    ExtractReport,
    ObjectReport,
    OlderEvents,
    Patience,
    Peek,
    ReconcileReport,
    changes,
    extract,
    fetch_older_events,
    growing,
    peek,
    reconcile,
    writer,
)
from stripe_cio_pipeline.extract.transport import Transport
from stripe_cio_pipeline.policy import Policy, parse_policy
from stripe_cio_pipeline.sandbox import Sandbox, StripeSwitches
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Connection, Warehouse, transaction
from stripe_cio_pipeline.warehouse import connection as warehouse_connection
from tests.kept_open import kept_open
from tests.snapshots import Ports, Snapshot

START = 1_790_000_000
#: Beyond the overlap in which a poll looks for events that became visible late.
LATENESS_SECONDS = 61
#: Tries as many as in production, and hardly a wait between them.
QUICK = Patience(wait_initial=0.001, wait_max=0.01)
#: Counts up without an event, and is not kept.
SILENT = "next_invoice_sequence"

Payloads = dict[str, dict[str, Any]]


def fast_policy(**stripe: Any) -> Policy:
    """No limits of ours: the sandbox has none either, unless a test says so."""
    return parse_policy({"stripe": {"limits": {"endpoint": 10_000, "account": 10_000}, **stripe}})


@cache
def _settings(key: str, base: str) -> Settings:
    return Settings(stripe_api_key=key, stripe_api_base=base)


class Stage:
    """What most tests of this room need, with the acts as methods."""

    def __init__(
        self,
        folder: Path,
        *,
        customers: int = 25,
        switches: StripeSwitches | None = None,
        history_days: int = 60,
        start: int = START,
        ports: Mapping[str, int] | None = None,
    ) -> None:
        self.born: dict[str, Any] = {"seed": 11, "customers": customers, "history_days": history_days, "leads": 0}
        self.born |= {"start": start, **(ports or {})}
        self.sandbox = Sandbox(**self.born, stripe=switches)
        self.warehouse = Warehouse(folder / "warehouse.duckdb", lock_wait_seconds=20)
        self.policy = fast_policy()
        self._runs = 0
        self._client: httpx.Client | None = None

    @property
    def stripe(self) -> Any:
        return self.sandbox.stripe

    @property
    def settings(self) -> Settings:
        environment = self.sandbox.environment()
        return _settings(environment["STRIPE_API_KEY"], environment["STRIPE_API_BASE"])

    def extract(self, **options: Any) -> ExtractReport:
        self._runs += 1
        options = {"patience": QUICK, "run_id": f"run-{self._runs}", **options}
        return extract(self.warehouse, self.settings, self.policy, **options)

    def reconcile(self, **options: Any) -> ReconcileReport:
        self._runs += 1
        options = {"patience": QUICK, "run_id": f"run-{self._runs}", **options}
        return reconcile(self.warehouse, self.settings, self.policy, **options)

    def fetch_older_events(self, *, days: float) -> OlderEvents:
        since = self.sandbox.clock.now() - days * 86_400
        return fetch_older_events(
            self.warehouse, self.settings, self.policy, run_id="older", since=since, patience=QUICK
        )

    def peek(self) -> Peek:
        return peek(self.warehouse, self.settings, self.policy, patience=QUICK)

    def pass_time(self, **time: float) -> None:
        self.sandbox.clock.advance(**time)

    def settle(self) -> None:
        """Let every event that was made become visible, and what is made meanwhile at once."""
        share, self.stripe.switches.late_events_share = self.stripe.switches.late_events_share, 0.0
        self.sandbox.clock.advance(seconds=LATENESS_SECONDS)
        self.stripe.switches.late_events_share = share

    def delete_coupon(self, coupon: str) -> None:
        with self.stripe.lock:
            self.stripe.books.emit("coupon.deleted", self.stripe.books.remove("coupon", coupon))

    def requests(self) -> int:
        return int(self.stripe.counters.gets)

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.warehouse.reading() as connection:
            return connection.execute(statement, list(parameters)).fetchall()

    def stored(self, name: str, *, deleted: bool = False) -> Payloads:
        found = self.rows(f"select id, payload from stripe.{name} where deleted = ?", deleted)
        return {row[0]: orjson.loads(row[1]) for row in found}

    def listed(self, name: str) -> Payloads:
        """What Stripe lists now, asked page by page without any code of the room."""
        switches, faults = self.stripe.switches, self.stripe.faults
        permissions, switches.permissions = switches.permissions, set(StripeSwitches().permissions)
        faults.clear()
        kind = next(kind for kind in OBJECTS if kind.name == name)
        found: Payloads = {}
        try:
            while True:
                query: list[tuple[str, str]] = [("limit", "100"), *kind.parameters.items()]
                query += [("expand[]", f"data.{path}") for path in kind.expands]
                if found:
                    query.append(("starting_after", next(reversed(found))))
                page = self._get(kind.path, query)
                for row in page["data"]:
                    row.pop(SILENT, None)
                    if name == "subscriptions":
                        deep = any(item["discounts"] for item in row["items"]["data"])
                        if row["items"]["has_more"] or deep:
                            row["items"].update(data=self._items(row["id"]), has_more=False)
                    name_coupons(row)
                    found[row["id"]] = self._price(row["id"]) if name == "prices" and row["tiers_mode"] else row
                if not page["has_more"]:
                    return found
        finally:
            switches.permissions = permissions

    def _price(self, id_: str) -> dict[str, Any]:
        paths = ["tiers", "currency_options"]
        price = self._get(f"/v1/prices/{id_}", [("expand[]", path) for path in paths])
        if price["tiers_mode"]:
            others = [currency for currency in price["currency_options"] if currency != price["currency"]]
            paths += [f"currency_options.{currency}.tiers" for currency in others]
            price = self._get(f"/v1/prices/{id_}", [("expand[]", path) for path in paths])
        return dict(price)

    def _items(self, subscription: str) -> list[Any]:
        query = [("subscription", subscription), ("limit", "100"), ("expand[]", "data.discounts.source.coupon")]
        page = self._get("/v1/subscription_items", query)
        assert not page["has_more"]
        return list(page["data"])

    def _get(self, path: str, query: list[tuple[str, str]]) -> Mapping[str, Any]:
        settings = self.settings
        answer = (self._client or httpx).get(
            f"{settings.stripe_api_base}{path}",
            params=query,
            headers={"Authorization": f"Bearer {settings.require_stripe()}", "Stripe-Version": PINNED_VERSION},
        )
        answer.raise_for_status()
        return orjson.loads(answer.content)

    def assert_in_step(self) -> None:
        """The warehouse holds exactly what Stripe lists: no row more, none less, every field of each equal."""
        for kind in OBJECTS:
            # One connection for all that a list takes.
            with httpx.Client() as self._client:
                stripe, warehouse = self.listed(kind.name), self.stored(kind.name)
                if kind.name == "prices":
                    # What is archived, and what another request made, is in no list.
                    stripe |= {id_: self._price(id_) for id_ in warehouse if id_ not in stripe}
            self._client = None
            assert set(warehouse) == set(stripe), kind.name
            different = [
                (object_id, field)
                for object_id, payload in stripe.items()
                for field in {*payload, *warehouse[object_id]}
                if payload.get(field) != warehouse[object_id].get(field)
            ]
            assert different == [], kind.name


def read_once(stage: Stage) -> None:
    """A life: everything is read, and nothing is on its way."""
    stage.extract()
    stage.pass_time(minutes=15)
    stage.extract()


class Lives:
    """Stages that were lived once. Each is gone on from by its name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = Ports()
        self._taken: dict[str, tuple[Snapshot, int]] = {}

    def close(self) -> None:
        self._ports.__exit__()

    @contextmanager
    def go_on(self, name: str, folder: Path, live: Callable[[Stage], object], **arguments: Any) -> Iterator[Stage]:
        """Give the stage as it is after `live`, made with these arguments; `switches` are as they were at its start."""
        if name not in self._taken:
            place = self._folder / name
            (place / "home").mkdir(parents=True)
            first = Stage(place / "home", **deepcopy(arguments), ports=self._ports.named)
            with first.sandbox, kept_open():
                live(first)
            self._taken[name] = Snapshot.take(first.sandbox, place / "home", place / "taken", first.born), first._runs
        snapshot, runs = self._taken[name]
        snapshot.home(folder)
        stage = Stage(folder, **deepcopy(arguments), ports=self._ports.named)
        stage.sandbox.load(snapshot.state)
        stage._runs = runs
        with stage.sandbox:
            yield stage


def name_coupons(value: Any) -> None:
    """Leave of an expanded coupon of a discount which one it is: what may change of it is kept elsewhere."""
    if isinstance(value, dict):
        if value.get("object") == "discount" and isinstance(coupon := value["source"]["coupon"], dict):
            value["source"]["coupon"] = {name: coupon[name] for name in ("id", "object", "created")}
        for inner in value.values():
            name_coupons(inner)
    elif isinstance(value, list):
        for inner in value:
            name_coupons(inner)


def of(report: ExtractReport, name: str) -> ObjectReport:
    return next(part for part in report.objects if part.name == name)


def meanwhile(patch: pytest.MonkeyPatch, number: int, happens: Callable[[], object], path: str | None = None) -> None:
    """Let something happen once between one of Stripe's answers and its arrival here, as another process would do it.

    `number` counts the answers, or those to requests whose path is `path`.
    """
    ask = Transport._get
    answered = itertools.count(1)
    lock = threading.Lock()
    _write_in_turn(patch)

    async def slowly(self: Transport, asked: str, *rest: Any, **options: Any) -> Any:
        answer = await ask(self, asked, *rest, **options)
        if path in (None, asked):
            with lock:
                now = next(answered) == number
            if now:
                other = threading.Thread(target=happens)
                other.start()
                other.join()
        return answer

    patch.setattr(Transport, "_get", slowly)


def _write_in_turn(patch: pytest.MonkeyPatch) -> None:
    """Let one thread write at once: between two processes DuckDB's lock on the file sees to that."""
    one_writes = threading.RLock()

    @contextmanager
    def in_turn(connection: Connection) -> Iterator[None]:
        with one_writes, transaction(connection):
            yield

    for module in (warehouse_connection, changes, growing, writer):
        patch.setattr(module, "transaction", in_turn)
