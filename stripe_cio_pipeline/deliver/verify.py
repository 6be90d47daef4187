"""`verify`: read people and the activity log back from Customer.io, and let the ledger follow what is really there.

Acceptance is not application: Customer.io answers 200 and applies later, and tells only in its activity log that an
identifier was refused or an update skipped.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import orjson
import pyarrow as pa
from ulid import ULID

from stripe_cio_pipeline.deliver.app_reads import (
    Activity,
    Profile,
    hundreds,
    read_activities,
    read_people,
)
from stripe_cio_pipeline.deliver.client import Api, Call, Patience, app_api
from stripe_cio_pipeline.deliver.comparing import drifted, refused_identifiers
from stripe_cio_pipeline.deliver.ledger import record_calls
from stripe_cio_pipeline.deliver.workspace import REGION_BINDING, read_bindings
from stripe_cio_pipeline.errors import CustomerioError
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.waiting import together
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, next_seq, read_cursor, write_cursor

_SQL = Statements("stripe_cio_pipeline.deliver.sql")
CURSOR = "customerio.activities"
#: The log is read again this far back, because lines appear late: seconds.
_OVERLAP = 600
#: Activities are kept for thirty days.
_KEPT = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was accepted: `drift`, `missing`, `not_linked` or a conflict's reason."""

    person_id: str
    finding: str
    field: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What reading back has found. `skipped` says why nothing was read.

    `checked` people were compared: `matched` are as accepted, `drifted` are due again, `missing` were removed in
    Customer.io and are not created again, `not_linked` are linked anew. `settled` links were seen. `examples` are
    person ids by finding.
    """

    checked: int = 0
    matched: int = 0
    drifted: int = 0
    missing: int = 0
    not_linked: int = 0
    settled: int = 0
    conflicts: Mapping[str, int] = field(default_factory=dict)
    skipped_updates: int = 0
    drifted_attributes: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    requests: int = 0
    seconds: float = 0.0
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    person_id: str
    state: str
    id: str | None
    email: str | None
    cio_id: str | None
    attributes: dict[str, Any]

    @property
    def kind(self) -> str:
        return "id" if self.id else "email" if self.email else "cio_id"

    @property
    def name(self) -> str:
        return self.id or self.email or self.cio_id or ""


def verify(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    run_id: str,
    sample: int | None = None,
    progress: Callable[[int], None] | None = None,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
) -> VerifyReport:
    """Compare `sample` people, or all whose last change has settled, with Customer.io; mark conflicts and drift.

    Who drifted is due again with the next plan, and only with what drifted. A conflict is marked and not sent again
    blindly. Without CUSTOMERIO_APP_API_KEY nothing is read, and the report says so. Raises CustomerioError where the
    App API shows nobody at all: its key is then of another workspace.
    """
    began = time.monotonic()
    if settings.customerio_app_api_key is None:
        return VerifyReport(
            skipped="CUSTOMERIO_APP_API_KEY is not set, so nothing could be read back from Customer.io."
        )
    calls: list[tuple[str, Call]] = []
    with warehouse.connect() as connection:
        region = read_bindings(connection).get(REGION_BINDING)
        mark = int(float(read_cursor(connection, CURSOR) or now() - _KEPT))
    verification = _Verification(warehouse, policy, run_id, now, sample, progress)
    client = app_api(
        settings,
        region=region,
        patience=patience or Patience(),
        now=now,
        on_call=lambda call: calls.append((str(ULID()), call)),
    )
    try:
        asyncio.run(verification.look(client, mark))
    finally:
        with warehouse.transaction() as connection:
            record_calls(connection, calls, plan_id="", run_id=run_id)
    return verification.report(len(calls), time.monotonic() - began)


class _Verification:
    def __init__(
        self,
        warehouse: Warehouse,
        policy: Policy,
        run_id: str,
        now: Callable[[], float],
        sample: int | None,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._warehouse = warehouse
        self._settle = policy.identity.settle_seconds
        self._run_id = run_id
        self._now = now
        self._sample = sample
        self._progress = progress
        self._counts: Counter[str] = Counter()
        self._conflicts: Counter[str] = Counter()
        self._attributes: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    async def look(self, client: Api, mark: int) -> None:
        async with client as app:
            began = int(self._now())
            refused = await read_activities(app, "failed_attribute_change", since=mark - _OVERLAP)
            skipped = await read_activities(app, "skipped_update", since=mark - _OVERLAP)
            self._counts["skipped_updates"] = len(skipped)
            self._mark_conflicts(refused, skipped, began)
            people = self._choose(skipped)
            for kind, group in groupby(people, key=lambda one: one.kind):
                # A few calls' worth at a time, so that what was seen is kept if the rest fails.
                members = list(group)
                for start in range(0, len(members), 2_000):
                    await self._compare(app, kind, members[start : start + 2_000])

    def _mark_conflicts(self, refused: Sequence[Activity], skipped: Sequence[Activity], began: int) -> None:
        lines = [
            (activity, kind, value, reason)
            for activity in refused
            for kind, value, reason in refused_identifiers(activity)
        ]
        table = pa.table(
            {
                "at": pa.array([line[0].timestamp for line in lines], pa.int64()),
                "cio_id": pa.array([line[0].cio_id for line in lines], pa.string()),
                "customer_id": pa.array([line[0].customer_id for line in lines], pa.string()),
                "kind": pa.array([line[1] for line in lines], pa.string()),
                "value": pa.array([line[2] for line in lines], pa.string()),
                "reason": pa.array([line[3] for line in lines], pa.string()),
            }
        )
        with self._warehouse.transaction() as connection:
            if lines:
                connection.register("refused_identifiers", table)
                connection.execute(_SQL["create_conflicts"])
                connection.unregister("refused_identifiers")
                found = connection.execute(_SQL["read_conflicts"]).fetchall()
                if found:
                    connection.execute(_SQL["mark_conflicts"], {"seq": next_seq(connection), "run_id": self._run_id})
                    self._keep(connection, (Finding(person, reason) for person, reason in found))
                    self._conflicts.update(reason for _, reason in found)
                connection.execute(_SQL["drop_conflicts"])
            write_cursor(connection, CURSOR, str(began), self._run_id)

    def _choose(self, skipped: Sequence[Activity]) -> list[_Known]:
        moment = _moment(self._now() - self._settle)
        with self._warehouse.connect() as connection:
            rows = connection.execute(
                _SQL["choose_people"],
                {
                    "before": moment,
                    "run_id": self._run_id,
                    "most": self._sample,
                    "ids": [line.customer_id for line in skipped if line.customer_id],
                },
            ).fetchall()
        return [
            _Known(person_id, state, id_, email, cio_id, orjson.loads(attributes or "{}"))
            for person_id, state, id_, email, cio_id, attributes in rows
        ]

    async def _compare(self, app: Api, kind: str, people: list[_Known]) -> None:
        shown: dict[str, Profile] = {}
        pages = list(hundreds([person.name for person in people]))
        for page in await together(read_people(app, kind, page) for page in pages):
            shown |= {_name(kind, profile): profile for profile in page}
        absent = [person for person in people if _folded(kind, person.name) not in shown]
        if len(absent) == len(people) and len(people) > 1 and not self._counts["checked"]:
            raise CustomerioError(
                f"The App API knows none of {len(people)} people that Customer.io has accepted.",
                "CUSTOMERIO_APP_API_KEY is probably of another workspace than CUSTOMERIO_SITE_ID. Nothing was changed.",
            )
        unlinked = await self._find_by_email(app, [person for person in absent if kind == "id"])
        with self._warehouse.transaction() as connection:
            self._keep_compared(connection, kind, people, shown, unlinked)
        if self._progress is not None:
            self._progress(self._counts["checked"])

    async def _find_by_email(self, app: Api, absent: Sequence[_Known]) -> set[str]:
        """Tell who is there by email but does not have the id: their link was not applied."""
        emails = {_folded("email", person.email): person.person_id for person in absent if person.email}
        found = set()
        for page in hundreds(sorted(emails)):
            for profile in await read_people(app, "email", page):
                found.add(emails.get(_folded("email", profile.email or ""), ""))
        return found - {""}

    def _keep_compared(
        self,
        connection: Connection,
        kind: str,
        people: Iterable[_Known],
        shown: Mapping[str, Profile],
        unlinked: set[str],
    ) -> None:
        findings: list[Finding] = []
        seen: dict[str, str | None] = {}
        for person in people:
            self._counts["checked"] += 1
            profile = shown.get(_folded(kind, person.name))
            if profile is None:
                finding = "not_linked" if person.person_id in unlinked else "missing"
                self._counts[finding] += 1
                findings.append(Finding(person.person_id, finding))
                continue
            seen[person.person_id] = profile.cio_id
            if person.state == "linking":
                self._counts["settled"] += 1
            names = drifted(person.attributes, profile) if person.state != "conflict" else []
            self._counts["drifted" if names else "matched"] += 1
            self._attributes.update(names)
            findings += [Finding(person.person_id, "drift", name) for name in names]
        self._keep(connection, findings)
        table = pa.table(
            {
                "person_id": pa.array(list(seen), pa.string()),
                "cio_id": pa.array(list(seen.values()), pa.string()),
            }
        )
        changed = {"seq": next_seq(connection), "run_id": self._run_id}
        connection.register("seen_people", table)
        connection.execute(_SQL["settle_seen"], changed)
        connection.unregister("seen_people")
        if findings:
            connection.register("findings", _findings_table(findings))
            connection.execute(_SQL["forget_drift"], changed)
            connection.execute(_SQL["mark_missing"], changed)
            connection.execute(_SQL["forget_unlinked"])
            connection.execute(_SQL["insert_due_findings"], {"now": _moment(self._now())})
            connection.unregister("findings")

    def _keep(self, connection: Connection, findings: Iterable[Finding]) -> None:
        kept = list(findings)
        for finding in kept:
            examples = self._examples.setdefault(finding.finding, [])
            if len(examples) < 5 and finding.person_id not in examples:
                examples.append(finding.person_id)
        if kept:
            connection.register("kept_findings", _findings_table(kept))
            connection.execute(_SQL["insert_verifications"], {"run_id": self._run_id, "now": _moment(self._now())})
            connection.unregister("kept_findings")

    def report(self, requests: int, seconds: float) -> VerifyReport:
        counts = self._counts
        return VerifyReport(
            checked=counts["checked"],
            matched=counts["matched"],
            drifted=counts["drifted"],
            missing=counts["missing"],
            not_linked=counts["not_linked"],
            settled=counts["settled"],
            conflicts=dict(self._conflicts),
            skipped_updates=counts["skipped_updates"],
            drifted_attributes=dict(self._attributes),
            examples={finding: tuple(people) for finding, people in self._examples.items()},
            requests=requests,
            seconds=seconds,
        )


def _findings_table(findings: Sequence[Finding]) -> pa.Table:
    return pa.table(
        {
            "person_id": pa.array([one.person_id for one in findings], pa.string()),
            "finding": pa.array([one.finding for one in findings], pa.string()),
            "field": pa.array([one.field for one in findings], pa.string()),
            "detail": pa.array([one.detail for one in findings], pa.string()),
        }
    )


def _name(kind: str, profile: Profile) -> str:
    return _folded(kind, {"id": profile.id, "email": profile.email, "cio_id": profile.cio_id}[kind] or "")


def _folded(kind: str, name: str) -> str:
    return name.strip().lower() if kind == "email" else name


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
