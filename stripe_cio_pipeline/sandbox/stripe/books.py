"""The account's books: every object, and an event for every change."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from stripe_cio_pipeline.sandbox.stripe.chance import Chance, Ids
from stripe_cio_pipeline.sandbox.stripe.event_types import EVENT_TYPES
from stripe_cio_pipeline.sandbox.stripe.listing import EVENT_SECONDS
from stripe_cio_pipeline.sandbox.stripe.money import price_amount
from stripe_cio_pipeline.sandbox.stripe.payloads import listed
from stripe_cio_pipeline.sandbox.stripe.resources import RESOURCES, UNLISTED_OBJECTS
from stripe_cio_pipeline.sandbox.stripe.settled import Settled
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload, Record, Shelf, encode
from stripe_cio_pipeline.sandbox.stripe.switches import StripeSwitches
from stripe_cio_pipeline.sandbox.stripe.versions import Shapes, family

#: Only events that are called an update tell what was there before, and this one, as those that were recorded show.
_TELL_WHAT_WAS = frozenset({"charge.refunded"})

_LATE = 0.1
"""The least share of `late_events_seconds` by which a late event is late."""


class Books:
    """Objects by type, links between them, and the events that tell of every change.

    `now` is the moment of what is being done, in unix seconds of the sandbox's clock.
    """

    def __init__(
        self, switches: StripeSwitches, chance: Chance, now: int, ids: Ids, settled: Settled | None = None
    ) -> None:
        self.switches = switches
        self.chance = chance
        self.now = now
        self.settled = settled
        self.ids = ids
        self.livemode = switches.livemode
        self.account: Payload = {}
        self.request_id: str | None = None
        self.quiet_until = 0
        """Changes before this moment leave no events: nobody could list them any more."""
        self.shelves: dict[str, Shelf] = {
            name: Shelf(settled.quiet(name) if settled is not None else None)
            for name in (*(resource.object for resource in RESOURCES), *UNLISTED_OBJECTS)
        }
        self.nested: dict[str, list[Payload]] = {}
        self.tiers: dict[str, list[Payload]] = {}
        self.applies_to: dict[str, list[str]] = {}
        self.currency_options: dict[str, dict[str, Payload]] = {}
        """What a price or coupon costs or takes off in other currencies, by `edition`."""
        self.terms: dict[str, Payload] = {}
        """Coupons that are deleted, by the discounts that were given with them."""
        self.inline: set[str] = set()
        """Prices that are in no list, active or not."""
        self.deleted: dict[str, Payload] = {}
        self.sequence = 0
        self.on_event: Callable[[Payload, Payload], None] | None = None
        """Gets each event, and its object in the newest shape."""
        self._payments: dict[str, str] = {}
        self._intents: dict[str, str] = {}
        self._invoices: dict[str, str] = {}
        self.shapes = Shapes(self.find, self.intent_of, self.invoice_of)

    # Reading

    def find(self, object: str, id: str) -> Payload | None:  # noqa: A002
        """Return an object as it is now, a copy of its own."""
        shelf = self.shelves.get(object)
        row = shelf.find(id) if shelf is not None else None
        if row is None:
            return None
        payload: Payload = orjson.loads(row.encoded)
        return payload

    def get(self, object: str, id: str) -> Payload:  # noqa: A002
        """Return an object, or raise `LookupError` naming it."""
        payload = self.find(object, id)
        if payload is None:
            raise LookupError(f"the account has no {object} {id!r}")
        return payload

    def of_customer(self, object: str, customer: str, *, status: str | None = None) -> list[Payload]:  # noqa: A002
        """Return a customer's objects of one type (those in a status), oldest first."""
        rows = self.shelves[object].of_customer(customer)
        return [orjson.loads(row.encoded) for row in rows if status is None or row.label == status]

    def full_list(self, nested: Payload) -> list[Payload]:
        """Return all rows of a nested list, also those that its parent does not show."""
        rows: list[Payload] = self.nested.get(nested["url"]) or nested["data"]
        return rows

    def item(self, id: str) -> Payload | None:  # noqa: A002
        """Return an item of a subscription."""
        for record in self.shelves["subscription"].records.values():
            for item in self.full_list(record.payload()["items"]):
                if item["id"] == id:
                    return dict(item)
        return None

    def intent_of(self, invoice: str) -> str | None:
        """Return the payment intent that pays an invoice."""
        found = self._intents.get(invoice)
        return found if found or self.settled is None else self.settled.intent_of(invoice)

    def payment_of(self, invoice: str) -> str | None:
        """Return the invoice payment of an invoice."""
        found = self._payments.get(invoice)
        return found if found or self.settled is None else self.settled.payment_of(invoice)

    def invoice_of(self, intent: str) -> str | None:
        """Return the invoice that a payment intent pays."""
        found = self._invoices.get(intent)
        return found if found or self.settled is None else self.settled.invoice_of(intent)

    def coupon_of(self, discount_id: str) -> Payload | None:
        """Return the coupon that a discount was given with, deleted or not."""
        if discount_id in self.terms:
            return dict(self.terms[discount_id])
        discount = self.find("discount", discount_id)
        return self.find("coupon", discount["source"]["coupon"]) if discount is not None else None

    def amount(self, price: Payload, quantity: int, currency: str) -> int:
        """Return what a quantity of a price costs for one interval, in a currency that the price has."""
        tiers = self.tiers.get(price["id"], ())
        if currency != price["currency"]:
            option = self.currency_options[edition(price)][currency]
            price = {**price, "unit_amount": option["unit_amount"]}
            tiers = option.get("tiers") or ()
        return price_amount(price, quantity, tiers)

    @property
    def outside(self) -> list[Payload]:
        """The payments of invoices that were made past Stripe, oldest first."""
        rows = [record.payload() for record in self.shelves["invoice_payment"].records.values()]
        return [row for row in rows if row["payment"]["type"] == "payment_record"]

    # Writing

    def add(self, payload: Payload, event: str | None = None) -> Payload:
        """Put a new object in, and tell of it when an event is named."""
        self.sequence += 1
        self._store(payload, self.sequence)
        if event is not None:
            self.emit(event, payload)
        return payload

    def change(
        self,
        object: str,  # noqa: A002
        id: str,  # noqa: A002
        changes: Mapping[str, Any],
        event: str | None = None,
    ) -> Payload:
        """Change top-level fields of an object and tell of those that really changed.

        A nested list is changed as a whole. Without a real change there is no event.
        """
        self.wake(object, id)
        record = self.shelves[object].records.get(id)
        if record is None:
            raise LookupError(f"the account has no {object} {id!r}")
        payload = record.payload()
        before = {name: payload.get(name) for name in changes if payload.get(name) != changes[name]}
        if not before:
            return payload
        previous = {name: _difference(old, changes[name]) for name, old in before.items()}
        payload.update(changes)
        self.shelves[object].rewrite(record, payload)
        if event is not None:
            tells = event.endswith("updated") or event in _TELL_WHAT_WAS
            self.emit(event, payload, previous if tells else None)
        return payload

    def remove(self, object: str, id: str) -> Payload:  # noqa: A002
        """Take an object out. What remains of it is `{"id", "object", "deleted"}`."""
        self.wake(object, id)
        shelf = self.shelves[object]
        if id not in shelf.records:
            raise LookupError(f"the account has no {object} {id!r}")
        payload = shelf.take(id).payload()
        if object == "coupon":
            # "Does not affect any customers who have already applied the coupon": docs.stripe.com/api/coupons/delete.
            for record in self.shelves["discount"].records.values():
                discount = record.payload()
                if discount["source"]["coupon"] == id:
                    self.terms.setdefault(discount["id"], payload)
        self.deleted[id] = {"id": id, "object": object, "deleted": True}
        return payload

    def nest(self, url: str, rows: list[Payload]) -> Payload:
        """Make a nested list: what is over the limit is only found at its own address."""
        shown = self.switches.nested_limit
        if len(rows) > shown:
            self.nested[url] = rows
        else:
            self.nested.pop(url, None)
        return listed(url, rows[:shown], has_more=len(rows) > shown)

    def emit(self, type: str, payload: Payload, previous: Mapping[str, Any] | None = None) -> None:  # noqa: A002
        """Write an event. Its id is random; it may be listed late; its payload has the account's version."""
        if self.now < self.quiet_until:
            return
        if not self.switches.test_clock_events and self._on_test_clock(payload):
            return
        assert type in EVENT_TYPES, type  # noqa: S101 - a slip in this package, never in a request
        shape = family(self.switches.api_version) or "endive"
        data: Payload = {"object": payload}
        if previous is not None:
            data["previous_attributes"] = dict(previous)
        if shape != "endive":
            data["object"] = self.shapes.render(orjson.loads(orjson.dumps(payload)), shape)
        self.sequence += 1
        self._tell(type, data, payload)
        if self.chance.happens(self.switches.duplicate_events_share, "twice", self.sequence):
            self.sequence += 1
            self._tell(type, data, payload)

    def _tell(self, type: str, data: Payload, plain: Payload) -> None:  # noqa: A002
        number = self.sequence
        event: Payload = {
            "id": self.ids.new("evt"),
            "object": "event",
            "api_version": self.switches.api_version,
            "created": self.now,
            "data": data,
            "livemode": self.livemode,
            "pending_webhooks": 0,
            "request": {"id": self.request_id, "idempotency_key": None},
            "type": type,
        }
        late = 0.0
        if self.chance.happens(self.switches.late_events_share, "late", number):
            share = _LATE + (1 - _LATE) * self.chance.unit("lateness", number)
            late = share * self.switches.late_events_seconds
        record = Record(
            id=event["id"],
            # Nothing says how Stripe orders the events of one second; here it is chance, and stays as it is.
            key=(self.now, self.chance.bits("order", number) >> 66),
            encoded=encode(event),
            label=type,
            visible_at=self.now + late if late else 0.0,
        )
        self.shelves["event"].put(record)
        if self.on_event is not None:
            self.on_event(event, plain)

    def load(self, objects: Iterable[Mapping[str, Any]]) -> int:
        """Put payloads in exactly as they are; returns how many. An object with a known id takes its place."""
        count = 0
        for given in objects:
            payload = dict(given)
            name = payload.get("object")
            if not isinstance(name, str) or not isinstance(payload.get("id"), str):
                raise ValueError('a payload needs an "object" and an "id"')
            if name == "account":
                self.account = payload
            elif payload.get("deleted") is True:
                if payload["id"] in self.shelves[name].records:
                    self.shelves[name].take(payload["id"])
                self.deleted[payload["id"]] = payload
            elif name not in self.shelves and name != "subscription_item":
                raise ValueError(f'objects of type "{name}" are not served here')
            else:
                self.sequence += 1
                self._store(payload, self.sequence)
            count += 1
        return count

    def wake(self, object: str, id: str) -> str | None:  # noqa: A002
        """Turn the quiet customer to whom a row belongs into stored objects; returns that customer."""
        if self.settled is None:
            return None
        number = self.settled.owner(object, id)
        if number is None or number in self.settled.woken:
            return None
        for record in self.settled.wake(number):
            name = orjson.loads(record.encoded)["object"]
            self.shelves[name].put(record)
            if name == "invoice_payment":
                self._link(record.payload())
        return self.settled.customer_id(number)

    def forget_old_events(self) -> None:
        """Drop events older than the thirty days for which Stripe lists them."""
        self.shelves["event"].take_before(self.now - EVENT_SECONDS)

    def _store(self, payload: Payload, rank: int) -> None:
        name = payload["object"]
        label = payload.get("type") if name == "event" else payload.get("status")
        customer = payload.get("customer")
        created = payload.get("created")
        record = Record(
            id=payload["id"],
            key=(created if isinstance(created, int) else 0, rank),
            encoded=encode(payload),
            customer=customer if isinstance(customer, str) else None,
            label=label if isinstance(label, str) else None,
            # What is on a test clock, and a price that was made inside another request (`price_data`), is in no list.
            hidden=self._on_test_clock(payload) or payload["id"] in self.inline,
        )
        self.deleted.pop(payload["id"], None)
        self.shelves[name].put(record)
        if name == "invoice_payment":
            self._link(payload)

    def _on_test_clock(self, payload: Payload) -> bool:
        """Tell whether an object, or the customer whose it is, belongs to a test clock."""
        owner = payload.get("customer")
        owning = self.shelves["customer"].records.get(owner) if isinstance(owner, str) else None
        return payload.get("test_clock") is not None or (owning is not None and owning.hidden)

    def _link(self, payment: Payload) -> None:
        intent, invoice = payment["payment"].get("payment_intent"), payment.get("invoice")
        if isinstance(intent, str) and isinstance(invoice, str):
            self._payments[invoice] = payment["id"]
            self._intents[invoice] = intent
            self._invoices[intent] = invoice

    # Saving

    def save_state(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "settled": self.settled.save_state() if self.settled is not None else None,
            "now": self.now,
            "sequence": self.sequence,
            "ids": self.ids.counts,
            "account": self.account,
            "records": [
                [name, *_saved(record)] for name, shelf in self.shelves.items() for record in shelf.records.values()
            ],
            "gone": {name: shelf.gone for name, shelf in self.shelves.items()},
            "nested": self.nested,
            "tiers": self.tiers,
            "applies_to": self.applies_to,
            "currency_options": self.currency_options,
            "terms": self.terms,
            "inline": sorted(self.inline),
            "deleted": self.deleted,
            "payments": self._payments,
            "intents": self._intents,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state."""
        self.now, self.sequence, self.account = state["now"], state["sequence"], state["account"]
        self.ids.counts = dict(state["ids"])
        if self.settled is not None and state["settled"] is not None:
            self.settled.load_state(state["settled"])
        for shelf in self.shelves.values():
            shelf.clear()
        for name, *rest in state["records"]:
            self.shelves[name].put(_restored(rest))
        for name, gone in state["gone"].items():
            self.shelves[name].gone = {id_: (key[0], key[1]) for id_, key in gone.items()}
        self.nested, self.tiers = dict(state["nested"]), dict(state["tiers"])
        self.applies_to, self.deleted = dict(state["applies_to"]), dict(state["deleted"])
        self.currency_options, self.terms = dict(state["currency_options"]), dict(state["terms"])
        self.inline = set(state["inline"])
        self._payments, self._intents = dict(state["payments"]), dict(state["intents"])
        self._invoices = {intent: invoice for invoice, intent in self._intents.items()}


def edition(payload: Payload) -> str:
    """Return what tells a price or coupon from a later one that was made under the same id."""
    return f"{payload['id']}@{payload['created']}"


def _difference(old: Any, new: Any) -> Any:
    """Return what `previous_attributes` says: of an object only the changed fields, an array as a whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {name: _difference(value, new.get(name)) for name, value in old.items() if value != new.get(name)}
    return old


def _saved(record: Record) -> list[Any]:
    return [
        record.id,
        record.key,
        record.encoded.decode(),
        record.customer,
        record.label,
        record.hidden,
        record.visible_at,
    ]


def _restored(row: list[Any]) -> Record:
    id_, key, encoded, customer, label, hidden, visible_at = row
    return Record(id_, (key[0], key[1]), encoded.encode(), customer, label, hidden, visible_at)
