"""Days go by: customers come, change and go, Customer.io is away or late, operators and an app write beside us.

What must be so at the end is worked out here from what was done, and not from what the pipeline wrote down: everybody
is right, nobody is there twice, nobody who was suppressed is there, and each event was counted once.
"""

import contextlib
import json
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from stripe_cio_pipeline.deliver import forget, forgetting
from stripe_cio_pipeline.errors import CustomerioUnavailable, GuardStop, PipelineError
from stripe_cio_pipeline.sandbox import Fault
from stripe_cio_pipeline.sandbox.customerio.neighbours import Neighbours
from stripe_cio_pipeline.sandbox.customerio.people import Person
from tests.identity.living import QUICK, MakeWorld, World
from tests.plan.ulids import event_ulid

#: What Customer.io is like for some hours: the path that goes wrong, and how.
WEATHER: tuple[tuple[str, Fault], ...] = (
    ("/api", Fault.error(503)),
    ("/api", Fault.error(400)),
    ("/api", Fault.rate_limited()),
    ("/api", Fault.truncated()),
    ("/api", Fault.reset_after()),
    ("/v1", Fault.error(500)),
    ("/v1", Fault.truncated()),
)

#: Links that were sent, and are neither seen nor looked for in vain.
LATE = "state = 'linking' and reason is null"

KNOWN_TO_BE_GONE = "select 1 from customerio.people where person_id = ? and reason = 'missing_in_customerio'"


@dataclass
class Days:
    """A world that lives by chance; whatever is done is noted, so that it is known what is right."""

    world: World
    chance: random.Random
    #: The identifiers that a customer ever had, and its events by ULID.
    names: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    events: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    leads: list[str] = field(default_factory=list)
    #: Identifiers of people whom somebody deleted there and nobody made anew, and of those who must never be there.
    deleted: set[str] = field(default_factory=set)
    #: Identifiers of all whose profile somebody deleted or suppressed there, ever.
    ever_deleted: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)
    made: int = 0
    noted: int = 0

    def __post_init__(self) -> None:
        self.neighbours = Neighbours(self.world.workspace, seed=self.chance.randrange(10_000))

    # What happens

    def address(self) -> str:
        self.made += 1
        return f"person-{self.made}@example.com"

    def anybody(self) -> str | None:
        living = [name for name, fields in self.world.desk.customers.items() if not fields["deleted"]]
        return self.chance.choice(living) if living else None

    def come(self) -> None:
        emails = [self.address(), self.address(), *self.leads[-3:]]
        if (other := self.anybody()) is not None:
            emails.append(self.world.desk.customers[other]["email"])
        self.know(self.world.customer(self.chance.choice(emails), phone=self.phone()))

    def phone(self) -> str | None:
        return self.chance.choice([None, None, f"+49151{self.chance.randrange(4):08}", "0151 123"])

    def know(self, customer: str) -> None:
        self.names[customer] |= {customer, *filter(None, [self.world.desk.customers[customer]["email"]])}

    def kin(self, customers: set[str]) -> set[str]:
        """Give the names of whoever ever was one person with these: an event is for the person of its day."""
        own = set().union(*(self.names[customer] for customer in customers))
        return own.union(*(names for names in self.names.values() if names & own))

    def rename(self) -> None:
        if (customer := self.anybody()) is not None:
            self.made += 1
            self.world.change(customer, name=f"Name {self.made}")

    def move(self) -> None:
        """Somebody gets another email: nobody's, a lead's, another customer's, or none."""
        if (customer := self.anybody()) is not None:
            other = self.world.desk.customers[self.anybody() or customer]["email"]
            email = self.chance.choice([self.address(), self.address(), *self.leads[-1:], other, None])
            self.world.change(customer, email=email)
            self.know(customer)

    def fail(self) -> None:
        if (customer := self.anybody()) is not None:
            self.world.payment_fails(customer)
            at = int(self.world.now())
            self.events[customer].add(event_ulid(f"evt_{at}", at))

    def leave(self) -> None:
        if (customer := self.anybody()) is not None:
            self.world.change(customer, deleted=True)

    def sign_up(self) -> None:
        """Somebody leaves an email in the app."""
        self.leads.append(self.address())
        self.world.workspace.add_person(email=self.leads[-1], attributes={"source": "app"})

    def storm(self) -> None:
        if self.chance.random() < 0.3:
            self.world.workspace.incident(hours=self.chance.uniform(0.5, 3))
        else:
            path, fault = self.chance.choice(WEATHER)
            self.world.workspace.faults.during(self.chance.uniform(0.2, 4) * 3600, fault, path=path)

    def retry(self) -> None:
        """An operator asks again for one person, who is made anew if it is known that they were deleted; or for all."""
        customer = self.anybody()
        if customer is None or self.chance.random() >= 0.7:
            self.world.retry()
            return
        if self.world.ask(KNOWN_TO_BE_GONE, customer):
            self.deleted -= self.names[customer]
        self.world.retry(customer)

    def forget(self) -> None:
        """Somebody asks to be forgotten, and is deleted in Stripe too, as the page advises."""
        if (customer := self.anybody()) is None or not self.world.ask("select 1 from customerio.people limit 1"):
            return
        world = self.world
        world.desk.model()  # who is meant is asked of the newest model
        # Of whom nothing was ever accepted there is nothing to forget.
        with contextlib.suppress(CustomerioUnavailable, PipelineError):
            world.runs += 1
            report = forget(
                world.warehouse,
                world.settings,
                world.desk.policy,
                customer,
                run_id=f"forget-{world.runs}",
                now=world.now,
                patience=QUICK,
            )
            key = world.desk.customers[customer]["email"]
            for name, fields in world.desk.customers.items():
                if name in (customer, report.person_id) or (key is not None and fields["email"] == key):
                    self.forgotten |= {name, *filter(None, [fields["email"]])}
                    world.change(name, deleted=True, email=None, name=None, phone=None)

    # What we do about it

    def sync(self) -> None:
        self.world.wait(seconds=self.chance.uniform(20, 900))
        with contextlib.suppress(CustomerioUnavailable):
            self.world.plan()
            self.world.deliver(approve=True)

    def verify(self) -> None:
        with contextlib.suppress(CustomerioUnavailable, GuardStop):
            self.world.verify()

    def live(self, *, hours: float) -> None:
        """Let so many hours pass: some things happen, some time passes, and there is a sync."""
        happens: list[tuple[Callable[[], None], int]] = [
            (self.come, 10),
            (self.rename, 8),
            (self.move, 5),
            (self.fail, 12),
            (self.leave, 2),
            (self.sign_up, 6),
            (self.storm, 5),
            (self.retry, 3),
            (self.forget, 1),
            (self.verify, 4),
        ]
        acts, weights = zip(*happens, strict=True)
        end = self.world.now() + hours * 3600
        while self.world.now() < end:
            for act in self.chance.choices(acts, weights, k=self.chance.randint(1, 8)):
                self.world.wait(seconds=self.chance.uniform(0, 600))
                self.note_deeds()
                act()
            self.sync()

    def note_deeds(self) -> None:
        """Note whom the neighbours have deleted."""
        for deed in self.neighbours.deeds[self.noted :]:
            if deed.kind == "deleted":
                self.deleted |= named(deed.person)
            if deed.kind in ("deleted", "suppressed"):
                self.ever_deleted |= named(deed.person)
        self.noted = len(self.neighbours.deeds)

    def calm(self) -> None:
        """The sky clears and everybody rests: what is late arrives, and is looked for until nothing is left to do."""
        self.note_deeds()
        self.neighbours.rest()
        self.world.workspace.faults.clear()
        for again in (True, True, False):
            self.world.wait(hours=7)
            self.world.verify()
            if again:
                # What was refused may be free by now; operators ask for it.
                self.world.retry()
            for _ in range(8):
                self.world.sync()
                counts = self.world.planned.counts
                is_late = self.world.ask(f"select 1 from customerio.people where {LATE} limit 1")
                if not (counts.operations or counts.waiting or is_late):
                    break
                if is_late:
                    self.world.wait(hours=4)  # longer than anybody lags
            else:
                raise AssertionError("there is always something left to send")


def named(person: Person) -> set[str]:
    return {value for value in (person.id, person.email) if value}


def hold_truth(days: Days) -> int:
    """Hold what must be true at the end; give how many are there, linked and right in every value."""
    world, truth = days.world, days.world.workspace.truth()
    assert truth.shells == (), "an event made somebody"
    assert truth.returned == (), "somebody who was suppressed is there"
    assert truth.repeated == {}, "an event was counted twice"
    held = dict(world.ask("select person_id, reason from customerio.plan where action = 'hold'"))
    right = 0
    for owner, customers in humans(world).items():
        fields = world.desk.customers[owner]
        email = (fields["email"] or "").lower()
        of = truth.of(*set().union(*(days.names[customer] for customer in customers)))
        assert of.mailed_twice == (), owner
        events = set().union(*(days.events[customer] for customer in customers))
        counted = truth.of(*days.kin(customers)).events
        assert all(times == 1 for name, times in counted.items() if name in events), owner
        # Whoever had a profile and joined another person keeps it, and is held, or is gone from Stripe.
        joined = {
            customer
            for customer in customers - {owner}
            if held.get(customer) == "joined_another_person" or world.desk.customers[customer]["deleted"]
        }
        ours = [person for person in of.people if person.id in customers - joined]
        if (customers | {email}) & days.forgotten:
            assert ours == [], f"{owner} was forgotten and is there"
            continue
        if (customers | {email}) & days.deleted or any(
            world.workspace.is_suppressed(id=customer, email=email) for customer in customers
        ):
            assert len(ours) <= 1, f"{owner} is there twice"
            continue
        if fields["deleted"] and not ours:
            continue  # gone from Stripe before anything was sent
        if held.keys() & customers:
            explained(world, held, customers, truth.people)
            continue
        assert len(ours) == 1, f"{owner} is {len(ours)} people"
        (person,) = ours
        if not days.kin(customers) & days.ever_deleted:  # what was counted for a profile went with it
            assert events <= counted.keys(), f"{owner} lacks events"
        assert (person.email or "").lower() == email, owner
        assert person.attributes["name"] == fields.get("name", owner), owner
        assert person.phone in (None, fields.get("phone")), owner
        right += 1
    return right


def humans(world: World) -> dict[str, set[str]]:
    """Sort customers into people: those with one email are one. The one who owns it speaks for all."""
    found: dict[str, set[str]] = defaultdict(set)
    for customer, owner in world.ask("select customer_id, person_id from model.members"):
        found[owner].add(customer)
    return found


def explained(world: World, held: dict[str, str], customers: set[str], people: tuple[Person, ...]) -> None:
    """Hold that whoever is held is held for a reason that is really there."""
    suppressed = {value for _, value in world.workspace.dump()["suppressed"]}
    for customer in held.keys() & customers:
        email = (world.desk.customers[customer]["email"] or "").lower()
        holders = [person for person in people if (person.email or "").lower() == email]
        if held[customer] in ("email_taken", "id_refused", "email_in_use"):
            assert [person.id for person in holders] != [customer], f"{customer} is held and has the email"
            assert holders, f"{customer} is held and nobody has the email"
        elif held[customer] == "link_unseen":
            # Ignored for what is suppressed, or refused because somebody else there has the email.
            is_others = any(person.id not in (None, customer) for person in holders)
            assert is_others or {customer, email, world.desk.customers[customer]["phone"]} & suppressed, customer
        elif held[customer] == "joined_another_person":
            assert world.workspace.person(id=customer) is not None, customer
        else:
            raise AssertionError(f"{customer} is held as {held[customer]}")


def lived(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, *, seed: int, hours: float) -> Days:
    """Live for so many hours in an awkward workspace, then rest."""
    # There are no objects of Stripe's at the desk, and no model that could be built of them.
    monkeypatch.setattr(forgetting, "_renew", lambda *_, **__: None)
    awkward: dict[str, Any] = {"lagging_share": 0.1, "left_out_share": 0.1}
    days = Days(make_world(**awkward), random.Random(seed))
    days.neighbours.live(hours=3)
    days.live(hours=hours)
    days.calm()
    return days


def test_after_hours_of_everything_everybody_is_right_and_nobody_was_mailed_twice(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hold_truth(lived(make_world, monkeypatch, seed=6, hours=5)) > 2


@pytest.mark.gauntlet
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("seed", range(10))
def test_after_days_of_everything_everybody_is_right_and_nobody_was_mailed_twice(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    assert hold_truth(lived(make_world, monkeypatch, seed=seed, hours=4 * 24)) > 10


def morning(world: World, outage: Fault | None) -> tuple[Any, ...]:
    """Live through a morning, with Customer.io away for an hour of it or not; give all that is so afterwards."""
    people = [world.customer(f"person-{number}@example.com") for number in range(4)]
    world.workspace.add_person(email="lead@example.com", attributes={"source": "app"})
    world.sync()
    if outage is not None:
        world.workspace.faults.during(3600, outage)
    for number, person in enumerate(people):
        with contextlib.suppress(CustomerioUnavailable):
            world.wait(minutes=18)
            world.payment_fails(person)
            world.change(person, name=f"Name {number}")
            if number == 2:
                people.append(world.customer("lead@example.com"))
            if number == 3:
                world.change(people[0], email="moved@example.com")
            world.plan()
            world.deliver(approve=True)
    for _ in range(3):
        world.sync()
    assert world.sync() == []
    there = {(each.id, each.email, each.phone, str(sorted(each.attributes.items()))) for each in world.people()}
    rows = world.ask("select person_id, state, id, email, attributes from customerio.people order by all")
    ledger = [(*row, json.loads(attributes)) for *row, attributes in rows]
    events = sorted((event.id, event.person_id, event.email is not None) for event in world.workspace.events())
    return there, ledger, events


def hold_alike(make_world: MakeWorld, *outages: Fault) -> None:
    """Hold that after each of these outages everything is as if Customer.io had been there."""
    there, ledger, events = morning(make_world(), None)
    assert len(events) == 5
    for outage in outages:
        assert morning(make_world(), outage) == (there, ledger, events), outage


def test_an_hour_without_customerio_ends_as_if_it_had_been_there(make_world: MakeWorld) -> None:
    hold_alike(make_world, Fault.error(503))


@pytest.mark.gauntlet
def test_an_hour_of_every_kind_of_outage_ends_as_if_customerio_had_been_there(make_world: MakeWorld) -> None:
    hold_alike(make_world, *(fault for _, fault in WEATHER))
