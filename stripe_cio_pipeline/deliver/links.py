"""`look_at_links`: is everybody there whose link was accepted? Asked once a person, before their id is used.

Acceptance is not application, and an event for an id that nobody has makes somebody. With CUSTOMERIO_APP_API_KEY
`linked` therefore means seen; without one it means accepted and settled, because nothing can be known.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ulid import ULID

from stripe_cio_pipeline.deliver.app_reads import Activity, Profile, read_activities
from stripe_cio_pipeline.deliver.client import Api, Call, Patience, app_api
from stripe_cio_pipeline.deliver.ledger import record_calls
from stripe_cio_pipeline.deliver.seeing import KEPT, OVERLAP, Known, find, in_utc, keep_sight, mark_conflicts
from stripe_cio_pipeline.deliver.workspace import REGION_BINDING, read_bindings
from stripe_cio_pipeline.errors import CustomerioUnavailable
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Statements, Warehouse, read_cursor, write_cursor

_SQL = Statements("stripe_cio_pipeline.deliver.sql")
_CURSOR = "customerio.refusals"
#: So many people are looked at in one run, which takes some hundred seconds; whom something waits for comes first.
_MOST = 100_000
#: What was seen is kept after so many, if the rest fails.
_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class LinksReport:
    """Whose links were looked at: `seen` are linked now, `unseen` wait, `conflicts` were refused, by reason.

    `problem` says why nobody, or not everybody, was looked at although there is a key.
    """

    looked_at: int = 0
    seen: int = 0
    unseen: int = 0
    conflicts: Mapping[str, int] = field(default_factory=dict)
    requests: int = 0
    problem: str | None = None


def look_at_links(
    warehouse: Warehouse,
    settings: Settings,
    policy: Policy,
    *,
    run_id: str,
    early: bool = False,
    now: Callable[[], float] = time.time,
    patience: Patience | None = None,
) -> LinksReport:
    """Look at new links that have had time to settle, and at whoever was missing and changed in Stripe since.

    `early` looks at links that have not, too: who is there already need not wait, and of who is not nothing is noted.

    Nothing is called where there is nobody to look at, or no App API key. Raises CustomerioCredentialsError where the
    key is refused; where Customer.io does not answer, the links wait and the report says so.
    """
    if settings.customerio_app_api_key is None:
        return LinksReport()
    with warehouse.connect() as connection:
        rows = connection.execute(
            _SQL["choose_links"],
            {
                "settled": in_utc(now, ago=0 if early else policy.identity.settle_seconds),
                "most": _MOST,
            },
        ).fetchall()
        region = read_bindings(connection).get(REGION_BINDING)
        mark = int(float(read_cursor(connection, _CURSOR) or now() - KEPT))
    if not rows:
        return LinksReport()
    calls: list[tuple[str, Call]] = []
    look = _Look(warehouse, run_id, now, policy.identity.missing_after_hours, notes_absence=not early)
    problem = None
    client = app_api(
        settings,
        region=region,
        patience=patience or Patience(),
        now=now,
        on_call=lambda call: calls.append((str(ULID()), call)),
    )
    try:
        asyncio.run(look.at(client, [Known.of(row) for row in rows], mark))
    except CustomerioUnavailable as unreachable:
        problem = str(unreachable)
    finally:
        with warehouse.transaction() as connection:
            record_calls(connection, calls, plan_id="", run_id=run_id)
    return LinksReport(look.looked_at, look.seen, look.unseen, look.conflicts, len(calls), problem)


class _Look:
    def __init__(
        self, warehouse: Warehouse, run_id: str, now: Callable[[], float], hours: float, *, notes_absence: bool
    ) -> None:
        self._warehouse = warehouse
        self._notes_absence = notes_absence
        self._hours = hours
        self._run_id = run_id
        self._now = now
        self.looked_at = self.seen = self.unseen = 0
        self.conflicts: dict[str, int] = {}

    async def at(self, client: Api, people: list[Known], mark: int) -> None:
        async with client as app:
            began = int(self._now())
            refused = await read_activities(app, "failed_attribute_change", since=mark - OVERLAP)
            self._keep_refusals(refused, began)
            for start in range(0, len(people), _AT_ONCE):
                part = people[start : start + _AT_ONCE]
                self._keep(part, await find(app, part))

    def _keep_refusals(self, refused: list[Activity], began: int) -> None:
        with self._warehouse.transaction() as connection:
            for _, reason in mark_conflicts(connection, refused, moment=in_utc(self._now), run_id=self._run_id):
                self.conflicts[reason] = self.conflicts.get(reason, 0) + 1
            write_cursor(connection, _CURSOR, str(began), self._run_id)

    def _keep(self, people: list[Known], found: dict[str, Profile]) -> None:
        seen = {
            person.person_id: found[person.person_id]
            for person in people
            if person.sight(found.get(person.person_id)) == "seen"
        }
        missed = [person.person_id for person in people if person.person_id not in seen]
        with self._warehouse.transaction() as connection:
            since = in_utc(self._now, ago=self._hours * 3600)
            noted = missed if self._notes_absence else []
            keep_sight(connection, seen, noted, moment=in_utc(self._now), since=since, run_id=self._run_id)
        self.looked_at += len(people)
        self.seen += len(seen)
        self.unseen += len(missed)
