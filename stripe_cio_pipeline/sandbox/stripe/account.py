"""The Stripe account: what it holds, how it lives as the clock moves, and what can be done to it by hand."""

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

import orjson

from stripe_cio_pipeline.sandbox.clock import Clock
from stripe_cio_pipeline.sandbox.counters import Counters
from stripe_cio_pipeline.sandbox.faults import Faults
from stripe_cio_pipeline.sandbox.stripe import payloads
from stripe_cio_pipeline.sandbox.stripe.agenda import Agenda
from stripe_cio_pipeline.sandbox.stripe.books import Books
from stripe_cio_pipeline.sandbox.stripe.catalog import Catalog, stock
from stripe_cio_pipeline.sandbox.stripe.chance import Chance, Ids
from stripe_cio_pipeline.sandbox.stripe.invoices import Invoices
from stripe_cio_pipeline.sandbox.stripe.life import Life, sign_up_moments
from stripe_cio_pipeline.sandbox.stripe.listing import EVENT_DAYS
from stripe_cio_pipeline.sandbox.stripe.payments import Payments
from stripe_cio_pipeline.sandbox.stripe.periods import DAY
from stripe_cio_pipeline.sandbox.stripe.settled import Settled
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload
from stripe_cio_pipeline.sandbox.stripe.subscriptions import Subscriptions
from stripe_cio_pipeline.sandbox.stripe.switches import StripeSwitches
from stripe_cio_pipeline.sandbox.stripe.templates import make_templates

Method = TypeVar("Method", bound=Callable[..., Any])

GUESTS_PER_CUSTOMER = 0.1
"""Guest purchases for each person who signs up."""


def _act(method: Method) -> Method:
    """Make a method an act: alone under the lock, at the present moment, as one API request of the merchant."""

    @functools.wraps(method)
    def act(self: "StripeAccount", *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            self.catch_up()
            self.books.request_id = self.books.ids.new("req")
            return method(self, *args, **kwargs)

    return cast("Method", act)


class StripeAccount:
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
        self.agenda = Agenda()
        self._payments = Payments(self.books, chance)
        self._invoices = Invoices(self.books, self._payments)
        self._subscriptions = Subscriptions(self.books, self.agenda, chance, self._payments, self._invoices)
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
        billing = getattr(self._subscriptions, name, None)
        if billing is not None:
            return billing  # type: ignore[no-any-return]
        return getattr(self._life, name)  # type: ignore[no-any-return]

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
            self._payments.declining.add(customer)

    def _found(self, living: int, born: int, start: int) -> None:
        """Live from the founding until the start, and make sure that the wanted number of customers is there."""
        catalog: Catalog = stock(self.books)
        self._life = Life(
            self.books, self.agenda, self.chance, catalog, self._payments, self._subscriptions, self._delete
        )
        if self.books.settled is not None:
            self.books.settled.prepare(make_templates(self.books, catalog, self.chance))
        self._founding = True
        self._sign_up_seconds = (start - born) / max(1, living)
        for moment in sign_up_moments(living, born + DAY, start, self.chance):
            self.agenda.add(moment, "sign_up")
        self._live_until(start)
        while len(self.books.shelves["customer"].records) < living:
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

    def _guest(self, number: int) -> None:
        if self._life is not None:
            self._life.guest_buys(number)

    @property
    def _mode(self) -> str:
        return "live" if self.switches.livemode else "test"

    # Reading

    def objects(self, type: str) -> dict[str, Payload]:  # noqa: A002
        """Return all objects of a type by id, as a list would show them now (test-clock objects included)."""
        with self.lock:
            self.catch_up()
            return {row.id: orjson.loads(row.encoded) for row in self.books.shelves[type].walk()}

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
            email = orjson.loads(row.encoded)["email"]
            if email:
                yield email

    # Acts

    @_act
    def create_customer(self, **fields: Any) -> Payload:
        """Create a customer; fields as in the API."""
        _check(fields)
        books = self.books
        customer = payloads.customer(
            id=books.ids.new("cus"),
            created=books.now,
            livemode=books.livemode,
            invoice_prefix=self.chance.token("prefix", books.sequence)[:8].upper(),
            **fields,
        )
        return books.add(customer, "customer.created")

    @_act
    def update_customer(self, id: str, **fields: Any) -> Payload:  # noqa: A002
        """Change a customer; metadata is merged, and a key with `None` or "" is removed."""
        _check(fields)
        self._wake("customer", id)
        if "metadata" in fields:
            merged = {**self.books.get("customer", id)["metadata"], **fields["metadata"]}
            fields["metadata"] = {key: value for key, value in merged.items() if value not in (None, "")}
        return self.books.change("customer", id, fields, "customer.updated")

    @_act
    def delete_customer(self, id: str) -> Payload:  # noqa: A002
        """Delete a customer: its subscriptions end at once, and only its id remains."""
        self._wake("customer", id)
        return self._delete(id)

    @_act
    def attach_card(self, customer: str, **fields: Any) -> Payload:
        """Give a customer a new default card (`brand`, `last4`, `exp_month`, `exp_year`, ...) that is accepted."""
        self._wake("customer", customer)
        return self._payments.attach_card(customer, **fields)

    @_act
    def renew_card(self, payment_method: str) -> Payload:
        """Let the card network update a card by itself."""
        return self._payments.renew_card(payment_method)

    @_act
    def create_product(self, name: str, **fields: Any) -> Payload:
        """Create a product."""
        books = self.books
        product = payloads.product(
            id=books.ids.new("prod"), created=books.now, livemode=books.livemode, name=name, **fields
        )
        return books.add(product, "product.created")

    @_act
    def update_product(self, id: str, **fields: Any) -> Payload:  # noqa: A002
        """Change a product, its name for example."""
        return self.books.change("product", id, {**fields, "updated": self.books.now}, "product.updated")

    @_act
    def create_price(
        self,
        product: str | None = None,
        *,
        unit_amount: int | None = 2_000,
        currency: str = "usd",
        interval: str | None = "month",
        tiers: list[dict[str, Any]] | None = None,
        **fields: Any,
    ) -> Payload:
        """Create a price, of a new product unless one is named. Tiers need a `tiers_mode`."""
        books = self.books
        if product is None:
            made = payloads.product(id=books.ids.new("prod"), created=books.now, livemode=books.livemode, name="Plan")
            product = books.add(made, "product.created")["id"]
        price = payloads.price(
            id=books.ids.new("price"),
            created=books.now,
            livemode=books.livemode,
            product=str(product),
            unit_amount=None if tiers else unit_amount,
            currency=currency,
            interval=interval,
            **fields,
        )
        if tiers:
            books.tiers[price["id"]] = tiers
        return books.add(price, "price.created")

    @_act
    def create_coupon(self, *, duration: str = "forever", **fields: Any) -> Payload:
        """Create a coupon (`percent_off`, or `amount_off` with `currency`)."""
        books = self.books
        id_ = fields.pop("id", None) or books.ids.new("coupon")
        coupon = payloads.coupon(id=id_, created=books.now, livemode=books.livemode, duration=duration, **fields)
        return books.add(coupon, "coupon.created")

    @_act
    def create_subscription(
        self,
        customer: str,
        *,
        price: str | None = None,
        quantity: int | None = 1,
        prices: list[str] | None = None,
        coupon: str | None = None,
        trial_days: int = 0,
        collection_method: str = "charge_automatically",
        card: bool = True,
        metadata: dict[str, str] | None = None,
    ) -> Payload:
        """Subscribe a customer to a price (a new one unless named), or to several `prices`.

        A customer without a card gets one first, unless `card` is false.
        """
        self._wake("customer", customer)
        if card and self._payments.card_of(self.books.get("customer", customer)) is None:
            self._payments.attach_card(customer)
        wanted = prices or [price or self.create_price()["id"]]
        return self._subscriptions.begin(
            customer,
            [(id_, quantity) for id_ in wanted],
            coupon=coupon,
            trial_days=trial_days,
            collection_method=collection_method,
            metadata=metadata,
        )

    @_act
    def cancel_subscription(self, id: str, *, at_period_end: bool = False) -> Payload:  # noqa: A002
        """Cancel now, or ask for the end of the period."""
        self._wake("subscription", id)
        if at_period_end:
            return self._subscriptions.cancel_later(id)
        return self._subscriptions.end(id, reason="cancellation_requested")

    @_act
    def change_plan(self, id: str, *, price: str, quantity: int | None = None) -> Payload:  # noqa: A002
        """Move a subscription to another price or quantity, prorated."""
        self._wake("subscription", id)
        return self._subscriptions.change_plan(id, price, quantity)

    @_act
    def resume_subscription(self, id: str) -> Payload:  # noqa: A002
        """Resume a paused subscription."""
        return self._subscriptions.resume(id)

    @_act
    def fail_payment(self, id: str) -> Payload:  # noqa: A002
        """Let a payment fail now, for an open invoice or a subscription; returns the invoice.

        The customer's card is refused from now on, and Stripe retries after 3, 5 and 7 days, until `pay_invoice` or
        `attach_card`. A subscription without an open invoice gets one for its present period.
        """
        books = self.books
        books.request_id = None
        if id.startswith("in_"):
            self._wake("invoice", id)
            invoice = books.get("invoice", id)
            self._payments.declining.add(invoice["customer"])
            if invoice["status"] == "draft":
                self._invoices.finalize(id)
            self._subscriptions.collect(id)
            return books.get("invoice", id)
        self._wake("subscription", id)
        subscription = books.get("subscription", id)
        self._payments.declining.add(subscription["customer"])
        latest = books.find("invoice", subscription["latest_invoice"] or "")
        if latest is not None and latest["status"] in ("draft", "open"):
            self._invoices.finalize(latest["id"])
            self._subscriptions.collect(latest["id"])
            return books.get("invoice", latest["id"])
        return self._subscriptions.bill_now(id)

    @_act
    def pay_invoice(self, id: str) -> Payload:  # noqa: A002
        """Pay an open invoice; the customer's card works again."""
        self._wake("invoice", id)
        books = self.books
        invoice = books.get("invoice", id)
        self._payments.declining.discard(invoice["customer"])
        if invoice["status"] == "draft":
            self._invoices.finalize(id)
        customer = books.find("customer", invoice["customer"])
        if customer is not None and self._payments.card_of(customer) is None:
            self._payments.attach_card(customer["id"])
        self._subscriptions.collect(id)
        return books.get("invoice", id)

    @_act
    def void_invoice(self, id: str) -> Payload:  # noqa: A002
        """Void an open invoice."""
        return self._invoices.void(id)

    @_act
    def create_charge(
        self, customer: str | None = None, amount: int = 1_000, currency: str = "usd", *, email: str | None = None
    ) -> Payload:
        """Charge a customer's card once, or a guest's (no customer, only an email in the billing details)."""
        if customer is None:
            card = self.books.add(self._payments.new_card(None, email))
            return self._payments.charge(amount=amount, currency=currency, customer=None, method=card, email=email)
        self._wake("customer", customer)
        owner = self.books.get("customer", customer)
        method = self._payments.card_of(owner) or self._payments.attach_card(customer)
        return self._payments.charge(amount=amount, currency=currency, customer=owner, method=method)

    @_act
    def refund(self, charge: str, amount: int | None = None) -> Payload:
        """Refund a charge, in part or all that is left."""
        self._wake("charge", charge)
        return self._payments.refund(charge, amount)

    @_act
    def dispute(self, charge: str, reason: str = "fraudulent") -> Payload:
        """Let the customer's bank dispute a charge."""
        self._wake("charge", charge)
        return self._payments.dispute(charge, reason)

    @_act
    def close_dispute(self, id: str, *, won: bool = False) -> Payload:  # noqa: A002
        """End a dispute."""
        return self._payments.close_dispute(id, won=won)

    @_act
    def load(self, objects: Iterable[Mapping[str, Any]]) -> int:
        """Put raw payloads in exactly as they are, without events; returns how many."""
        return self.books.load(objects)

    def _delete(self, id: str) -> Payload:  # noqa: A002
        books = self.books
        for subscription in books.of_customer("subscription", id):
            self._subscriptions.end(subscription["id"], reason="cancellation_requested")
        for card in books.of_customer("payment_method", id):
            books.change("payment_method", card["id"], {"customer": None})
        customer = books.remove("customer", id)
        books.emit("customer.deleted", customer)
        if self._founding:
            # Who leaves before the start is replaced, so that the wanted number is there.
            self.agenda.add(books.now + 3600, "sign_up")
        return books.deleted[id]

    # Control

    def acts(self) -> Mapping[str, Callable[..., Any]]:
        """Return what can be done by hand, by name."""
        return {
            name: getattr(self, name)
            for name in (
                "attach_card",
                "cancel_subscription",
                "change_plan",
                "close_dispute",
                "create_charge",
                "create_coupon",
                "create_customer",
                "create_price",
                "create_product",
                "create_subscription",
                "delete_customer",
                "dispute",
                "fail_payment",
                "load",
                "pay_invoice",
                "refund",
                "renew_card",
                "resume_subscription",
                "update_customer",
                "update_product",
                "void_invoice",
            )
        }

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
                "declining": sorted(self._payments.declining),
                "people": self._people,
                "guests": self._guests,
            }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over a state saved by an account made with the same arguments."""
        with self.lock:
            if state["seed"] != self.seed:
                raise ValueError(f"this state was saved with seed {state['seed']}, this sandbox has {self.seed}")
            self.books.load_state(state["books"])
            self.agenda.load_state(state["agenda"])
            self._payments.declining = set(state["declining"])
            self._people, self._guests = state["people"], state["guests"]


def _check(fields: Mapping[str, Any]) -> None:
    unknown = sorted(set(fields) - payloads.CUSTOMER_FIELDS)
    if unknown:
        raise ValueError(f"a customer has no field {', '.join(unknown)}")
