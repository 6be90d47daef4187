"""The Stripe account: what it holds, how it lives as the clock moves, and what can be done to it by hand."""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import orjson

from stripe_cio_pipeline.sandbox.clock import Clock
from stripe_cio_pipeline.sandbox.counters import Counters
from stripe_cio_pipeline.sandbox.faults import Faults
from stripe_cio_pipeline.sandbox.stripe import payloads
from stripe_cio_pipeline.sandbox.stripe.agenda import Agenda
from stripe_cio_pipeline.sandbox.stripe.books import Books
from stripe_cio_pipeline.sandbox.stripe.catalog import Catalog, stock
from stripe_cio_pipeline.sandbox.stripe.chance import Chance, Ids
from stripe_cio_pipeline.sandbox.stripe.company import Company
from stripe_cio_pipeline.sandbox.stripe.life import Life, sign_up_moments
from stripe_cio_pipeline.sandbox.stripe.listing import EVENT_DAYS
from stripe_cio_pipeline.sandbox.stripe.merchant import Merchant
from stripe_cio_pipeline.sandbox.stripe.periods import DAY
from stripe_cio_pipeline.sandbox.stripe.settled import Settled
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload
from stripe_cio_pipeline.sandbox.stripe.specials import founders, stock_specials
from stripe_cio_pipeline.sandbox.stripe.switches import StripeSwitches
from stripe_cio_pipeline.sandbox.stripe.templates import make_templates
from stripe_cio_pipeline.sandbox.stripe.webhooks import Webhooks

GUESTS_PER_CUSTOMER = 0.1
"""Guest purchases for each person who signs up."""


class StripeAccount(Merchant):
    """One account. Its methods are what a merchant does; amounts are in minor units, moments in unix seconds.

    `living` of the customers live a whole life (sign up, pay, fail to pay, change, leave); the rest are settled
    yearly customers that cost no memory until something happens to them (see `settled.py`).
    """

    def __init__(
        self,
        switches: StripeSwitches,
        clock: Clock,
        *,
        seed: int = 7,
        customers: int = 0,
        history_days: int = 180,
        living: int = 2_000,
    ) -> None:
        self.switches = switches
        self.clock = clock
        self.seed = seed
        self.counters = Counters()
        self.faults = Faults(seed)
        self.lock = threading.RLock()
        chance = Chance(seed)
        self.chance = chance
        start = int(clock.now())
        born = start - max(history_days, 1) * DAY
        living = min(customers, living)
        self.secret_key = f"sk_{self._mode}_{chance.token('secret key')}{chance.token('sk')}"[:32]
        self.restricted_key = f"rk_{self._mode}_{chance.token('restricted key')}{chance.token('rk')}"[:32]
        ids = Ids(chance, chance.token("account")[:10])
        settled = Settled(customers - living, chance, start, ids) if customers > living else None
        self.books = Books(switches, chance, born, ids, settled)
        self.webhooks = Webhooks(self.books)
        self.agenda = Agenda()
        self.company = Company.staffed(self.books, self.agenda, chance)
        self._people = 0
        self._guests = 0
        self._life: Life | None = None
        self._founding = False
        self._sign_up_seconds = 0.0
        if not switches.account_id:
            switches.account_id = f"acct_1{chance.token('account id')}"
        self.books.account = payloads.account(id=switches.account_id, created=born, name="Example Ltd")
        self.books.quiet_until = start - EVENT_DAYS * DAY
        if customers:
            self._found(living, born, start)
        self.books.now = start
        clock.on_move(lambda _moment: self.catch_up())

    # Time

    def catch_up(self) -> None:
        """Let everything happen that was due until now."""
        with self.lock:
            now = int(self.clock.now())
            if now <= self.books.now and not self._is_due(now):
                return
            self._live_until(now)

    def _is_due(self, now: int) -> bool:
        moment = self.agenda.next_moment()
        return moment is not None and moment <= now

    def _live_until(self, now: int) -> None:
        books = self.books
        while True:
            moment = self.agenda.next_moment()
            settled = books.settled.next_moment() if books.settled is not None else None
            if settled is not None and settled <= now and (moment is None or settled <= moment):
                self._wake_next(settled)
                continue
            if moment is None or moment > now:
                break
            due, _, name, arguments = self.agenda.take()
            books.now = max(books.now, due)
            books.request_id = None
            self._on_agenda(name)(*arguments)
        books.now = max(books.now, now)
        books.forget_old_events()

    def _on_agenda(self, name: str) -> Callable[..., object]:
        own: dict[str, Callable[..., object]] = {"sign_up": self._sign_up, "arrive": self._arrive, "guest": self._guest}
        if name in own:
            return own[name]
        life = self._life
        people = () if life is None else (life, life.aftermath, life.purchases)
        for actor in (self.company.subscriptions, self.company.collection, *people):
            if (act := getattr(actor, name, None)) is not None:
                return cast("Callable[..., object]", act)
        raise LookupError(f"nobody here knows how to {name}")

    def _wake_next(self, moment: int) -> None:
        """Wake the settled customer whose year ends next, so that it is billed."""
        settled = self.books.settled
        if settled is None:
            return
        self.books.now = max(self.books.now, moment)
        self._wake("customer", settled.take_next())

    def _wake(self, object: str, id: str) -> None:  # noqa: A002
        customer = self.books.wake(object, id)
        if customer is None:
            return
        for subscription in self.books.of_customer("subscription", customer):
            end = subscription["items"]["data"][0]["current_period_end"]
            self.agenda.add(end, "renew", subscription["id"], end)
        if self.chance.happens(0.05, "settled card fails", customer):
            self.company.payments.declining.add(customer)

    def _found(self, living: int, born: int, start: int) -> None:
        """Live from the founding until the start, and make sure that the wanted number of customers is there."""
        catalog: Catalog = stock(self.books)
        self._life = Life(self.company, self.chance, catalog, stock_specials(self.books, catalog), self._delete)
        founders(self.books, 50)
        if self.books.settled is not None:
            self.books.settled.prepare(make_templates(self.books, catalog, self.chance))
        self._founding = True
        self._sign_up_seconds = (start - born) / max(1, living)
        for moment in sign_up_moments(living, born + DAY, start, self.chance):
            self.agenda.add(moment, "sign_up")
        self.agenda.add(max(born + DAY, start - 40 * DAY), "try_things_out")
        self.agenda.add(max(born + DAY, start - 10 * DAY), "clear_out")
        self.agenda.add(start + 2 * DAY, "make_founders_anew")
        self._live_until(start)
        while self._visible_customers() < living:
            self._sign_up()
        self._founding = False
        self.agenda.add(start + max(1, int(self._sign_up_seconds)), "arrive")

    def _sign_up(self) -> None:
        self._people += 1
        number = self._people
        if self._life is None:
            return
        self._life.sign_up(number)
        if self.chance.happens(GUESTS_PER_CUSTOMER, "guest", number):
            self._guests += 1
            wait = self.chance.between(0, 2 * DAY, "guest", number)
            self.agenda.add(self.books.now + wait, "guest", self._guests)

    def _arrive(self) -> None:
        """Sign one person up, and plan when the next one comes: at the rate at which they came before."""
        self._sign_up()
        wait = self._sign_up_seconds * (0.5 + self.chance.unit("next arrival", self._people))
        self.agenda.add(self.books.now + max(1, int(wait)), "arrive")

    def _visible_customers(self) -> int:
        return sum(not record.hidden for record in self.books.shelves["customer"].records.values())

    def _guest(self, number: int) -> None:
        if self._life is not None:
            self._life.guest_buys(number)

    @property
    def _mode(self) -> str:
        return "live" if self.switches.livemode else "test"

    # Reading

    def objects(self, type: str, *, hidden: bool = False) -> dict[str, Payload]:  # noqa: A002
        """Return all objects of a type by id, newest first, as the API would list them now.

        Canceled subscriptions are among them. Objects on a test clock are not, as in lists, unless `hidden` is set.
        """
        with self.lock:
            self.catch_up()
            rows = self.books.shelves[type].walk()
            return {row.id: orjson.loads(row.encoded) for row in rows if hidden or not row.hidden}

    def object(self, type: str, id: str) -> Payload | None:  # noqa: A002
        """Return one object, the remains of a deleted one, or `None`."""
        with self.lock:
            self.catch_up()
            return self.books.find(type, id) or self.books.deleted.get(id)

    def events(self) -> list[Payload]:
        """Return every event of the last thirty days, oldest first, those included that are not listed yet."""
        with self.lock:
            self.catch_up()
            return [orjson.loads(row.encoded) for row in self.books.shelves["event"].walk(newest_first=False)]

    def emails(self) -> Iterator[str]:
        """Go through the customers' emails, without missing ones; shared ones come as often as they are used."""
        for row in self.books.shelves["customer"].walk(newest_first=False):
            email = None if row.hidden else orjson.loads(row.encoded).get("email")
            if email:
                yield email

    def _delete(self, id: str) -> Payload:  # noqa: A002
        books = self.books
        for subscription in books.of_customer("subscription", id):
            self.company.collection.end_subscription(subscription["id"], reason="cancellation_requested")
        for card in books.of_customer("payment_method", id):
            books.change("payment_method", card["id"], {"customer": None})
        customer = books.remove("customer", id)
        books.emit("customer.deleted", customer)
        if self._founding:
            # Who leaves before the start is replaced, so that the wanted number is there.
            self.agenda.add(books.now + 3600, "sign_up")
        return books.deleted[id]

    # Control

    def dump(self) -> dict[str, Any]:
        """Return counts and keys: what a person wants to see first."""
        with self.lock:
            self.catch_up()
            return {
                "account": self.switches.account_id,
                "now": self.books.now,
                "keys": {"restricted": self.restricted_key, "secret": self.secret_key},
                "objects": {name: len(shelf) for name, shelf in self.books.shelves.items() if len(shelf)},
                "deleted": len(self.books.deleted),
                "planned": len(self.agenda),
            }

    def save_state(self) -> dict[str, Any]:
        """Return the whole state as JSON."""
        with self.lock:
            self.catch_up()
            return {
                "seed": self.seed,
                "books": self.books.save_state(),
                "agenda": self.agenda.save_state(),
                "declining": sorted(self.company.payments.declining),
                "people": self._people,
                "guests": self._guests,
                "webhooks": self.webhooks.save_state(),
            }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over a state saved by an account made with the same arguments."""
        with self.lock:
            if state["seed"] != self.seed:
                raise ValueError(f"this state was saved with seed {state['seed']}, this sandbox has {self.seed}")
            self.books.load_state(state["books"])
            self.agenda.load_state(state["agenda"])
            self.company.payments.declining = set(state["declining"])
            self._people, self._guests = state["people"], state["guests"]
            self.webhooks.load_state(state["webhooks"])
