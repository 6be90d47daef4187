"""Customers by the million: rows that follow from their number, and are made only when somebody looks.

A settled customer signed up between a year and a month before the start. Most of them pay a yearly plan, some bought
once, some nothing. Until something happens to one (somebody changes it, or its year ends) it costs no memory; then
it is woken: its rows become stored objects like all others, in the same places of the same lists.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from stripe_cio_pipeline.sandbox.stripe.chance import Chance, Ids, Scatter
from stripe_cio_pipeline.sandbox.stripe.listing import EVENT_DAYS
from stripe_cio_pipeline.sandbox.stripe.periods import DAY, later
from stripe_cio_pipeline.sandbox.stripe.shelf import Key, Record

BLOCK = 20
YEARLY, ONCE, NOTHING = "yearly", "once", "nothing"
_ROLES = (YEARLY,) * 14 + (ONCE,) * 2 + (NOTHING,) * 4
OBJECTS: Mapping[str, tuple[str, tuple[str, ...], str | None]] = {
    "customer": ("cus", (YEARLY, ONCE, NOTHING), None),
    "payment_method": ("pm", (YEARLY, ONCE), None),
    "payment_intent": ("pi", (YEARLY, ONCE), "succeeded"),
    "charge": ("ch", (YEARLY, ONCE), "succeeded"),
    "subscription": ("sub", (YEARLY,), "active"),
    "invoice": ("in", (YEARLY,), "paid"),
    "invoice_payment": ("inpay", (YEARLY,), "paid"),
}
"""Prefix of the ids, who has one, and the status that all have."""

PURCHASE_SECONDS = 60
"""How long after signing up the purchase is made."""

CARD_EXPANDED = "customer with card"
_INERT = frozenset(
    {
        "discounts",
        "discounts.source.coupon",
        "items.data.discounts",
        "discount.source.coupon",
        "default_payment_method",
        "default_source",
    }
)
"""Expansions that change nothing in a settled row: there are no discounts, and the card is the customer's default."""


@dataclass(frozen=True, slots=True)
class Template:
    """A payload with holes: `text % {hole: value}`."""

    text: bytes
    holes: tuple[tuple[bytes, str], ...]

    @classmethod
    def of(cls, payload: Mapping[str, Any], holes: Mapping[str, str]) -> "Template":
        """Make a template; `holes` tells which texts of the encoded payload stand for what."""
        text = orjson.dumps(payload).replace(b"%", b"%%")
        found = []
        for mark, hole in sorted(holes.items(), key=lambda entry: -len(entry[0])):
            pattern = re.compile(rb"(?<![0-9A-Za-z_])" + re.escape(mark.encode()) + rb"(?![0-9A-Za-z])")
            text, count = pattern.subn(f"%({hole})b".encode(), text)
            if count:
                found.append(hole)
        return cls(text, tuple((hole.encode(), hole) for hole in dict.fromkeys(found)))


Templates = Mapping[tuple[str, str, int], Template]
"""By (object or `CARD_EXPANDED`, role, variant)."""


@dataclass(frozen=True, slots=True)
class QuietRow:
    """One row that is not stored."""

    rows: "QuietRows"
    place: int
    number: int

    @property
    def id(self) -> str:
        """The object's id."""
        return self.rows.settled.id_of(self.rows.object, self.number)

    @property
    def key(self) -> Key:
        """Its place in the list."""
        return self.rows.key(self.place)

    @property
    def encoded(self) -> bytes:
        """Its payload as JSON."""
        return self.rows.settled.encode(self.rows.object, self.number)

    @property
    def hidden(self) -> bool:
        """No settled customer belongs to a test clock."""
        return False

    @property
    def label(self) -> str | None:
        """The status."""
        return OBJECTS[self.rows.object][2]

    @property
    def visible_at(self) -> float:
        """Seen at once."""
        return 0.0

    def expanded(self, paths: Sequence[str]) -> bytes | None:
        """Return the payload with expansions, where that is known without taking it apart."""
        left = [path for path in paths if path not in _INERT]
        if not left:
            return self.encoded
        if self.rows.object == "customer" and left == ["invoice_settings.default_payment_method"]:
            return self.rows.settled.encode(CARD_EXPANDED, self.number)
        return None


class QuietRows:
    """The rows of one type, numbered from the oldest: what a shelf keeps beside its records."""

    def __init__(self, settled: "Settled", object: str) -> None:  # noqa: A002
        self.settled = settled
        self.object = object
        roles = OBJECTS[object][1]
        self._places = [place for place, role in enumerate(settled.roles) if role in roles]
        whole, rest = divmod(settled.count, BLOCK)
        self._count = whole * len(self._places) + sum(place < rest for place in self._places)
        self._delay = 0 if object == "customer" else PURCHASE_SECONDS
        self._roles = roles

    def key(self, place: int) -> Key:
        """Return the place of a row among all rows; settled rows stand before stored ones of the same second."""
        return self.settled.created(self._number(place)) + self._delay, place - self.settled.count - 1

    def between(self, low: Key, high: Key) -> range:
        """Return the places of the rows with low <= key < high."""
        places = range(self._count)
        return places[bisect_left(places, low, key=self.key) : bisect_left(places, high, key=self.key)]

    def row(self, number: int) -> QuietRow | None:
        """Return the row at a place, or `None` when it has been woken."""
        customer = self._number(number)
        return None if customer in self.settled.woken else QuietRow(self, number, customer)

    def find(self, id: str) -> QuietRow | None:  # noqa: A002
        """Return the row with this id, if it is there and not woken."""
        number = self.settled.owner(self.object, id)
        return None if number is None or number in self.settled.woken else self._of_number(number)

    def of_customer(self, customer: str) -> Sequence[QuietRow]:
        """Return the rows of a customer: one, or none."""
        number = self.settled.owner("customer", customer)
        if number is None or number in self.settled.woken or self.settled.role(number) not in self._roles:
            return ()
        return (self._of_number(number),)

    def at(self, number: int) -> int:
        """Return the place of a customer's row."""
        block, inside = divmod(number, BLOCK)
        return block * len(self._places) + self._places.index(inside)

    def __len__(self) -> int:
        roles = self._roles
        return self._count - sum(self.settled.role(number) in roles for number in self.settled.woken)

    @property
    def whole_count(self) -> int:
        """How many rows there are, woken ones included."""
        return self._count

    def customer_number(self, place: int) -> int:
        """Return the number of the customer to whom the row at a place belongs."""
        return self._number(place)

    def _of_number(self, number: int) -> QuietRow:
        return QuietRow(self, self.at(number), number)

    def _number(self, place: int) -> int:
        block, inside = divmod(place, len(self._places))
        return block * BLOCK + self._places[inside]


class Settled:
    """All settled customers of an account and what belongs to them."""

    def __init__(self, count: int, chance: Chance, start: int, ids: Ids) -> None:
        self.count = count
        self.woken: set[int] = set()
        order = sorted(range(BLOCK), key=lambda place: chance.unit("role", place))
        self.roles = [_ROLES[order.index(place)] for place in range(BLOCK)]
        self._ids = ids
        self._oldest = start - 365 * DAY
        self._width = (365 - EVENT_DAYS - 5) * DAY / max(1, count)
        self._salt = chance.bits("salt") & 0xFFFFFFFF
        self._scatter = {prefix: Scatter(chance, prefix) for prefix in ("txn", "si", "il")}
        self._scatter |= {name: Scatter(chance, name) for name in OBJECTS}
        self._rows = {name: QuietRows(self, name) for name in OBJECTS}
        self._templates: Templates = {}
        self._variants = 1
        self._next = 0
        self._years: dict[int, int] = {}
        self._fill = self._fillers()

    def prepare(self, templates: Templates) -> None:
        """Take the templates that payloads are made from."""
        self._templates = templates
        self._variants = 1 + max(variant for _, _, variant in templates)

    def quiet(self, object: str) -> QuietRows | None:  # noqa: A002
        """Return the rows of a type, if settled customers have such objects."""
        return self._rows.get(object)

    # Facts about a customer by number

    def role(self, number: int) -> str:
        """Say what a customer buys."""
        return self.roles[number % BLOCK]

    def created(self, number: int) -> int:
        """Return the moment of signing up; it grows with the number."""
        return self._oldest + int((number + self._mix(number, 1) / 65536) * self._width)

    def period_end(self, number: int) -> int:
        """Return when the paid year ends."""
        begun = self.created(number) + PURCHASE_SECONDS
        day = begun // DAY
        if day not in self._years:
            self._years[day] = later(day * DAY, "year", 1, 1) - day * DAY
        return begun + self._years[day]

    def id_of(self, object: str, number: int) -> str:  # noqa: A002
        """Return the id of a customer's object."""
        return self._ids.of(OBJECTS[object][0], self._scatter[object].token(number))

    def customer_id(self, number: int) -> str:
        """Return the customer's id."""
        return self.id_of("customer", number)

    def owner(self, object: str, id: str) -> int | None:  # noqa: A002
        """Return the number of the customer to whom an object belongs."""
        if object not in OBJECTS:
            return None
        token = self._ids.token(OBJECTS[object][0], id)
        number = self._scatter[object].number(token) if token is not None else None
        if number is None or number >= self.count or self.role(number) not in OBJECTS[object][1]:
            return None
        return number

    def intent_of(self, invoice: str) -> str | None:
        """Return the payment intent of a settled invoice."""
        number = self.owner("invoice", invoice)
        return None if number is None else self.id_of("payment_intent", number)

    def payment_of(self, invoice: str) -> str | None:
        """Return the invoice payment of a settled invoice."""
        number = self.owner("invoice", invoice)
        return None if number is None else self.id_of("invoice_payment", number)

    def invoice_of(self, intent: str) -> str | None:
        """Return the invoice that a settled payment intent paid."""
        number = self.owner("payment_intent", intent)
        return None if number is None or self.role(number) != YEARLY else self.id_of("invoice", number)

    def encode(self, object: str, number: int) -> bytes:  # noqa: A002
        """Return the payload of a customer's object."""
        role = self.role(number)
        if object == CARD_EXPANDED and role == NOTHING:
            object = "customer"  # noqa: A001
        template = self._templates[object, role, self._mix(number, 2) % self._variants]
        fill = self._fill
        return template.text % {mark: fill[hole](number) for mark, hole in template.holes}

    # Waking

    def wake(self, number: int) -> list[Record]:
        """Return a customer's rows as records; from now on they are stored ones."""
        records = []
        for name, rows in self._rows.items():
            if self.role(number) in OBJECTS[name][1]:
                record = Record(
                    id=self.id_of(name, number),
                    key=rows.key(rows.at(number)),
                    encoded=self.encode(name, number),
                    customer=None if name in ("customer", "invoice_payment") else self.customer_id(number),
                    label=OBJECTS[name][2],
                )
                records.append(record)
        self.woken.add(number)
        return records

    def next_moment(self) -> int | None:
        """Say when the next year ends of a customer who is still settled."""
        rows = self._rows["subscription"]
        while self._next < rows.whole_count:
            number = rows.customer_number(self._next)
            if number not in self.woken:
                return self.period_end(number)
            self._next += 1
        return None

    def take_next(self) -> str:
        """Return the customer whose year ends next."""
        return self.customer_id(self._rows["subscription"].customer_number(self._next))

    def save_state(self) -> dict[str, Any]:
        """Return what is not a function of the seed, as JSON."""
        return {"count": self.count, "woken": sorted(self.woken), "next": self._next, "oldest": self._oldest}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state."""
        if state["count"] != self.count:
            raise ValueError(f"this state has {state['count']} settled customers, this sandbox {self.count}")
        self.woken, self._next, self._oldest = set(state["woken"]), state["next"], state["oldest"]

    # Filling the holes

    def _mix(self, number: int, salt: int) -> int:
        """Return 16 bits that look random."""
        return ((number + salt * 0x51ED27) * 0x9E3779B1 + self._salt) >> 9 & 0xFFFF

    def _email(self, number: int) -> bytes:
        """Most are plain; some are missing, some are shared with the customer before."""
        if number % 97 == 13:
            return b"null"
        if number % 53 == 1:
            number -= 1
        if number % 211 == 5:
            return b'"Member-%d@Example.com"' % number
        return b'"member-%d@example.com"' % number

    def _fillers(self) -> Mapping[str, Callable[[int], bytes]]:
        def whole(value: Callable[[int], int]) -> Callable[[int], bytes]:
            return lambda number: b"%d" % value(number)

        def extra(prefix: str) -> Callable[[int], bytes]:
            scatter = self._scatter[prefix]
            return lambda number: self._ids.of(prefix, scatter.token(number)).encode()

        def id_of(name: str) -> Callable[[int], bytes]:
            return lambda number: self.id_of(name, number).encode()

        return {
            **{name: id_of(name) for name in OBJECTS},
            **{prefix: extra(prefix) for prefix in ("txn", "si", "il")},
            "created": whole(self.created),
            "bought": whole(lambda number: self.created(number) + PURCHASE_SECONDS),
            "end": whole(self.period_end),
            "email": self._email,
            "name": lambda number: b'"Member %d"' % number,
            "prefix": lambda number: b"%08X" % (number * 0x9E3779B1 + self._salt & 0xFFFFFFFF),
            "fingerprint": lambda number: b"%016X" % (number * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF),
            "last4": lambda number: b"%04d" % (self._mix(number, 3) % 10_000),
            "exp_month": lambda number: b"%d" % (self._mix(number, 4) % 12 + 1),
            "exp_year": lambda number: b"%d" % (1971 + self._oldest // (365 * DAY) + self._mix(number, 5) % 5),
        }
