"""`verify`: read people and the activity log back from Customer.io, and let the ledger follow what is really there.

Acceptance is not application: Customer.io answers 200 and applies later, and tells only in its activity log that an
identifier was refused or an update skipped.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from ulid import ULID

from stripe_cio_pipeline.deliver.app_reads import Activity, Profile, read_activities
from stripe_cio_pipeline.deliver.client import Api, Call, Patience, app_api
from stripe_cio_pipeline.deliver.comparing import drifted
from stripe_cio_pipeline.deliver.ledger import record_calls
from stripe_cio_pipeline.deliver.seeing import (
    KEPT,
    OVERLAP,
    Known,
    Sight,
    find,
    in_utc,
    keep_sight,
    mark_conflicts,
    seen_table,
)
from stripe_cio_pipeline.deliver.workspace import REGION_BINDING, read_bindings
from stripe_cio_pipeline.errors import CustomerioError, GuardStop
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, next_seq, read_cursor, write_cursor

_SQL = Statements("stripe_cio_pipeline.deliver.sql")
CURSOR = "customerio.activities"
#: So few people may always be gone at once, however small the account is.
_FEW = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was accepted: `drift`, `missed`, `missing`, `not_linked` or a conflict's reason."""

    person_id: str
    finding: str
    field: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What reading back has found. `skipped` says why nothing was read.

    `checked` people were compared: `matched` are as accepted, `drifted` are due again, `missing` were removed in
    Customer.io and are not created again, `missed` were not found and are looked for again, `not_linked` are linked
    anew, `returned` were missing and are there again. `settled` links were seen. `examples` are person ids by finding.
    """

    checked: int = 0
    matched: int = 0
    drifted: int = 0
    missing: int = 0
    missed: int = 0
    returned: int = 0
    not_linked: int = 0
    settled: int = 0
    conflicts: Mapping[str, int] = field(default_factory=dict)
    skipped_updates: int = 0
    drifted_attributes: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    requests: int = 0
    seconds: float = 0.0
    skipped: str | None = None


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
    blindly. Who is not found was removed there, if the activity log says so or if they are missed for
    `identity.missing_after_hours`; a new link that is not found is only late. Without CUSTOMERIO_APP_API_KEY nothing is
    read, and the report says so.

    Raises CustomerioError where the App API shows nobody at all: its key is then of another workspace. Raises GuardStop
    where more people are gone than `guard.max_missing_share` lets be believed; all else is kept, and they stay as they
    are.
    """
    began = time.monotonic()
    if settings.customerio_app_api_key is None:
        return VerifyReport(
            skipped="CUSTOMERIO_APP_API_KEY is not set, so nothing could be read back from Customer.io."
        )
    calls: list[tuple[str, Call]] = []
    with warehouse.connect() as connection:
        region = read_bindings(connection).get(REGION_BINDING)
        mark = int(float(read_cursor(connection, CURSOR) or now() - KEPT))
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
        self._hours = policy.identity.missing_after_hours
        self._most_gone = policy.guard.max_missing_share
        self._run_id = run_id
        self._now = now
        self._sample = sample
        self._progress = progress
        self._counts: Counter[str] = Counter()
        self._conflicts: Counter[str] = Counter()
        self._attributes: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        self._deletions: dict[str, int] = {}
        self._gone: list[str] = []

    async def look(self, client: Api, mark: int) -> None:
        async with client as app:
            began = int(self._now())
            since = mark - OVERLAP
            refused = await read_activities(app, "failed_attribute_change", since=since)
            skipped = await read_activities(app, "skipped_update", since=since)
            # Of people who are gone some workspaces list nothing unless they are asked for.
            deleted = await read_activities(app, "profile_delete", since=since)
            deleted += await read_activities(app, "profile_delete", since=since, deleted=True)
            self._deletions = {line.cio_id: line.timestamp for line in deleted if line.cio_id}
            self._counts["skipped_updates"] = len(skipped)
            self._mark_conflicts(refused, began)
            people = self._choose(skipped)
            # A few calls' worth at a time, so that what was seen is kept if the rest fails.
            for start in range(0, len(people), 2_000):
                await self._compare(app, people[start : start + 2_000])
        self._bury()

    def _mark_conflicts(self, refused: Sequence[Activity], began: int) -> None:
        with self._warehouse.transaction() as connection:
            found = mark_conflicts(connection, refused, moment=in_utc(self._now), run_id=self._run_id)
            self._name(Finding(person, reason) for person, reason in found)
            self._conflicts.update(reason for _, reason in found)
            write_cursor(connection, CURSOR, str(began), self._run_id)

    def _choose(self, skipped: Sequence[Activity]) -> list[Known]:
        with self._warehouse.connect() as connection:
            rows = connection.execute(
                _SQL["choose_people"],
                {
                    "before": in_utc(self._now, ago=self._settle),
                    "run_id": self._run_id,
                    "most": self._sample,
                    "ids": [line.customer_id for line in skipped if line.customer_id],
                },
            ).fetchall()
        return [Known.of(row) for row in rows]

    async def _compare(self, app: Api, people: list[Known]) -> None:
        found = await find(app, people)
        unheard = [person for person in people if person.state == "linked" and person.cio_id not in self._deletions]
        if len(unheard) > 1 and not found and not self._counts["matched"] + self._counts["drifted"]:
            raise CustomerioError(
                f"The App API knows none of {len(people)} people that Customer.io has accepted.",
                "CUSTOMERIO_APP_API_KEY is probably of another workspace than CUSTOMERIO_SITE_ID. Nothing was changed.",
            )
        with self._warehouse.transaction() as connection:
            self._keep_compared(connection, people, found)
        if self._progress is not None:
            self._progress(self._counts["checked"])

    def _keep_compared(self, connection: Connection, people: Iterable[Known], found: Mapping[str, Profile]) -> None:
        findings: list[Finding] = []
        seen: dict[str, Profile] = {}
        missed: list[str] = []
        for person in people:
            profile = found.get(person.person_id)
            if person.state == "deleted":
                if profile is not None and (finding := self._returned(person, profile, seen)) is not None:
                    findings.append(finding)
                continue
            self._counts["checked"] += 1
            sight = person.sight(profile)
            if profile is None or sight != "seen":
                findings.append(self._not_seen(person, sight))
                missed.append(person.person_id)
                continue
            seen[person.person_id] = profile
            if person.state == "linking":
                self._counts["settled"] += 1
            names = drifted(person.accepted, profile)
            self._counts["drifted" if names else "matched"] += 1
            self._attributes.update(names)
            findings += [
                Finding(person.person_id, "drift", name, None if profile.attributes.get(name) else "absent")
                for name in names
            ]
        self._keep(connection, findings)
        since = in_utc(self._now, ago=self._hours * 3600)
        keep_sight(connection, seen, missed, moment=in_utc(self._now), since=since, run_id=self._run_id)
        if findings:
            self._act(connection, findings, seen)

    def _act(self, connection: Connection, findings: Sequence[Finding], seen: Mapping[str, Profile]) -> None:
        changed = {"seq": next_seq(connection), "run_id": self._run_id}
        connection.register("findings", _findings_table(findings))
        connection.register("seen_people", seen_table(seen))
        connection.execute(_SQL["mark_unseen_emails"], changed)
        connection.execute(_SQL["leave_out_unseen_phones"], {"now": in_utc(self._now)})
        connection.execute(_SQL["forget_drift"], changed)
        connection.execute(_SQL["mark_other_id"], changed)
        connection.execute(_SQL["link_unlinked_anew"], changed)
        connection.execute(_SQL["insert_due_findings"], {"now": in_utc(self._now)})
        connection.unregister("findings")
        connection.unregister("seen_people")

    def _returned(self, person: Known, profile: Profile, seen: dict[str, Profile]) -> Finding | None:
        """Say what becomes of somebody who was missing and is there again."""
        sight = person.sight(profile)
        if sight == "other_id":
            return None
        self._counts["returned"] += 1
        if sight == "seen":
            seen[person.person_id] = profile
            return Finding(person.person_id, "returned")
        return Finding(person.person_id, "not_linked")

    def _not_seen(self, person: Known, sight: Sight) -> Finding:
        """Say what becomes of somebody who is not there as accepted: time has to pass before that is believed."""
        removed_at = self._deletions.get(person.cio_id or "")
        is_old = person.missed_at is not None and person.missed_at <= in_utc(self._now, ago=self._hours * 3600)
        finding = "missed"
        if sight == "absent" and person.state == "linked" and (is_old or removed_at is not None):
            # Told at the end, when it is known how many there are.
            self._gone.append(person.person_id)
        elif is_old and sight == "without_id" and not person.was_linked_anew:
            finding = "not_linked"
        elif is_old and sight == "other_id":
            finding = "other_id"
            self._conflicts["id_refused"] += 1
            return Finding(person.person_id, finding)
        self._counts[finding] += 1
        return Finding(person.person_id, finding)

    def _bury(self) -> None:
        """Believe of those who are gone that they were removed, unless they are too many for that."""
        if not self._gone:
            return
        with self._warehouse.transaction() as connection:
            # All of it is fetched: DuckDB 2 refuses to register a table while a result is unfinished.
            ((known,),) = connection.execute(_SQL["count_linked"]).fetchall()
            if len(self._gone) > max(_FEW, self._most_gone * known):
                raise GuardStop(
                    f"{len(self._gone)} of {known} people are not found in Customer.io, more than "
                    f"guard.max_missing_share ({self._most_gone:g}) lets be believed at once. All of them are kept as "
                    "they are.",
                    "Look whether they are there, and whether CUSTOMERIO_APP_API_KEY is of this workspace. If they "
                    "were removed, raise guard.max_missing_share and run stripe-cio verify again.",
                )
            findings = [Finding(person, "missing") for person in self._gone]
            self._counts["missed"] -= len(findings)
            self._counts["missing"] += len(findings)
            self._examples.pop("missed", None)
            self._keep(connection, findings)
            connection.register("findings", _findings_table(findings))
            connection.execute(_SQL["mark_missing"], {"seq": next_seq(connection), "run_id": self._run_id})
            connection.unregister("findings")

    def _keep(self, connection: Connection, findings: Iterable[Finding]) -> None:
        kept = list(findings)
        self._name(kept)
        if kept:
            connection.register("kept_findings", _findings_table(kept))
            connection.execute(_SQL["insert_verifications"], {"run_id": self._run_id, "now": in_utc(self._now)})
            connection.unregister("kept_findings")

    def _name(self, findings: Iterable[Finding]) -> None:
        """Keep some people of each finding for the report."""
        for finding in findings:
            examples = self._examples.setdefault(finding.finding, [])
            if len(examples) < 5 and finding.person_id not in examples:
                examples.append(finding.person_id)

    def report(self, requests: int, seconds: float) -> VerifyReport:
        counts = self._counts
        return VerifyReport(
            checked=counts["checked"],
            matched=counts["matched"],
            drifted=counts["drifted"],
            missing=counts["missing"],
            missed=counts["missed"],
            returned=counts["returned"],
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
