"""The seeded people: how they sign up, what they buy, and what they do month after month."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stripe_cio_pipeline.sandbox.stripe import payloads
from stripe_cio_pipeline.sandbox.stripe.aftermath import Aftermath
from stripe_cio_pipeline.sandbox.stripe.catalog import LADDER, Catalog
from stripe_cio_pipeline.sandbox.stripe.chance import Chance
from stripe_cio_pipeline.sandbox.stripe.collection import ENDED
from stripe_cio_pipeline.sandbox.stripe.company import Company
from stripe_cio_pipeline.sandbox.stripe.money import minor
from stripe_cio_pipeline.sandbox.stripe.periods import DAY
from stripe_cio_pipeline.sandbox.stripe.purchases import PURCHASES, Purchases
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload
from stripe_cio_pipeline.sandbox.stripe.specials import Specials

Market = tuple[str, str, str]
"""Country, currency, locale."""

_US, _DE, _FR = ("US", "usd", "en-US"), ("DE", "eur", "de-DE"), ("FR", "eur", "fr-FR")
_GB, _JP, _KW = ("GB", "gbp", "en-GB"), ("JP", "jpy", "ja-JP"), ("KW", "kwd", "ar-KW")
# What people are like is dealt like cards, a hand at a time, so that even a small account has everything in it.
MARKETS: tuple[Market, ...] = (_US,) * 8 + (_DE,) * 4 + (_FR,) * 2 + (_GB,) * 3 + (_JP,) * 2 + (_KW,)
PAUSES = ("void", "keep_as_draft", "mark_uncollectible")
EMAILS = ("missing", "odd", "shared", "shared but for case") + ("plain",) * 21

HABIT_DAYS = 30
Habit = Callable[[Payload, Payload | None], None]


class Life:
    """Decides for everybody. Nothing here remembers anything: it is all in the books and in the agenda."""

    def __init__(
        self,
        company: Company,
        chance: Chance,
        catalog: Catalog,
        specials: Specials,
        forget: Callable[[str], object],
    ) -> None:
        self._company = company
        self._books = company.books
        self._agenda = company.agenda
        self._chance = chance
        self._catalog = catalog
        self._forget = forget
        self.purchases = Purchases(company, chance, catalog, specials)
        self.aftermath = Aftermath(company, chance)
        self._habits: Mapping[str, tuple[int, Habit]] = {
            "nothing": (22, self._do_nothing),
            "change_plan": (14, self._change_plan),
            "change_email": (6, self._change_email),
            "change_details": (8, self._change_details),
            "cancel_later": (6, self._cancel_later),
            "cancel_now": (3, self._cancel_now),
            "card_fails": (20, self._card_fails),
            "card_is_renewed": (6, self._card_is_renewed),
            "ask_refund": (5, self.aftermath.ask_refund),
            "dispute": (3, self.aftermath.dispute),
            "get_credit": (3, self.aftermath.get_credit),
            "hold": (2, self.aftermath.hold),
            "pause": (2, self._pause),
            "come_back": (6, self._come_back),
            "leave": (2, self._leave),
        }

    def sign_up(self, number: int) -> None:
        """Let one more person arrive, and buy what they came for."""
        books, chance = self._books, self._chance
        self._by_request()
        country, currency, locale = self._market(number)
        name = None if chance.happens(0.1, "nameless", number) else f"Customer {number}"
        given: dict[str, Any] = {
            "email": self._email(number),
            "name": name,
            "individual_name": name,
            "phone": f"+1555{number % 10_000_000:07d}" if chance.happens(0.3, "phone", number) else None,
            "address": None
            if chance.happens(0.15, "homeless", number)
            else {**payloads.NO_ADDRESS, "country": country, "city": "Example City", "postal_code": "00000"},
            "preferred_locales": [locale] if chance.happens(0.7, "locale", number) else [],
            "metadata": {"user_id": f"user-{number}"} if chance.happens(0.8, "metadata", number) else {},
        }
        if chance.happens(0.03, "account", number):
            given["customer_account"] = f"acct_{chance.token('customer account', number)}"
        customer = books.add(
            payloads.customer(
                id=books.ids.new("cus"),
                created=books.now,
                livemode=books.livemode,
                invoice_prefix=chance.token("prefix", number)[:8].upper(),
                **given,
            ),
            "customer.created",
        )
        self._buy(customer["id"], number, currency)
        wait = chance.between(2, HABIT_DAYS, "first habit", number) * DAY + chance.between(0, DAY, "at", number)
        self._agenda.add(books.now + wait, "habit", customer["id"], 1)

    def habit(self, customer_id: str, month: int) -> None:
        """Let a person do something, or nothing, as people do every month."""
        books = self._books
        customer = books.find("customer", customer_id)
        if customer is None:
            return
        self._by_request()
        weights = [weight for weight, _ in self._habits.values()]
        point = self._chance.unit("habit", customer_id, month) * sum(weights)
        for weight, act in self._habits.values():
            point -= weight
            if point < 0:
                act(customer, self._live_subscription(customer_id))
                break
        if books.find("customer", customer_id) is not None:
            wait = HABIT_DAYS * DAY + self._chance.between(-5 * DAY, 5 * DAY, "wait", customer_id, month)
            self._agenda.add(books.now + wait, "habit", customer_id, month + 1)

    def guest_buys(self, number: int) -> None:
        """Let somebody pay once without becoming a customer."""
        books, chance = self._books, self._chance
        self._by_request()
        currency = self._market(-number)[1]
        email = f"guest-{number}@example.com"
        amount = minor(chance.between(5, 90, "guest amount", number), currency)
        card = books.add(self._company.payments.new_card(None, email))
        charge = self._company.payments.charge(
            amount=amount, currency=currency, customer=None, method=card, description="One-time purchase", email=email
        )
        self._check_out("payment", charge, None, email)

    def try_things_out(self) -> None:
        """Let a developer play with a test clock: lists do not show what belongs to it."""
        books = self._books
        self._by_request()
        clock = books.add(
            payloads.test_clock(
                id=books.ids.new("clock"), created=books.now, livemode=books.livemode, name="Trying things out"
            )
        )
        for number in (1, 2):
            customer = books.add(
                payloads.customer(
                    id=books.ids.new("cus"),
                    created=books.now,
                    livemode=books.livemode,
                    invoice_prefix=self._chance.token("trying", number)[:8].upper(),
                    email=f"trying-{number}@example.com",
                    test_clock=clock["id"],
                ),
                "customer.created",
            )
            self._company.payments.attach_card(customer["id"])
            price = self._catalog.price("starter", "year", "usd")
            self._company.subscriptions.begin(customer["id"], [(price, 1)])

    def fix_card(self, customer_id: str) -> None:
        """Let a person with a failing card enter a new one, and pay what is open."""
        if self._books.find("customer", customer_id) is None:
            return
        self._by_request()
        self._company.payments.attach_card(customer_id)
        self._collect_open(customer_id)

    def _collect_open(self, customer_id: str) -> None:
        for invoice in self._books.of_customer("invoice", customer_id, status="open"):
            if invoice["collection_method"] == "charge_automatically":
                self._company.collection.collect(invoice["id"])
        for subscription in self._books.of_customer("subscription", customer_id, status="paused"):
            self._company.subscriptions.resume(subscription["id"])

    def _buy(self, customer_id: str, number: int, currency: str) -> None:
        kind = self._chance.deal(PURCHASES, number, "purchase")
        if kind == "nothing":
            return
        if kind != "trial without card":
            self._company.payments.attach_card(customer_id)
        if kind == "once":
            self._buy_once(customer_id, currency)
            return
        self.purchases.subscribe(customer_id, number, currency, kind)

    def _buy_once(self, customer_id: str, currency: str) -> None:
        customer = self._books.get("customer", customer_id)
        card = self._company.payments.card_of(customer)
        if card is None:
            return
        amount = minor(self._chance.between(10, 300, "once", customer_id, self._books.now), currency)
        charge = self._company.payments.charge(
            amount=amount, currency=currency, customer=customer, method=card, description="One-time purchase"
        )
        if charge["paid"]:
            self._check_out("payment", charge, customer_id, customer["email"])

    def _check_out(self, mode: str, charge: Payload, customer: str | None, email: str | None) -> None:
        books = self._books
        session = payloads.checkout_session(
            id=books.ids.new("cs_test"),
            created=books.now,
            livemode=books.livemode,
            mode=mode,
            amount=charge["amount"],
            currency=charge["currency"],
            customer=customer,
            email=email,
            payment_intent=charge["payment_intent"],
            subscription=None,
            invoice=None,
        )
        books.add(session, "checkout.session.completed")

    # What people do. Each takes the customer and the live subscription, if there is one.

    def _do_nothing(self, customer: Payload, subscription: Payload | None) -> None:
        pass

    def _change_plan(self, customer: Payload, subscription: Payload | None) -> None:
        if subscription is None or subscription["status"] not in ("active", "trialing"):
            return
        if len({str(item["price"]["recurring"]) for item in subscription["items"]["data"]}) > 1:
            return
        item = subscription["items"]["data"][0]
        key = str(item["price"]["lookup_key"] or "")
        plan, interval, currency = (*key.split("_"), "", "")[:3]
        if plan not in LADDER:
            return
        words = (customer["id"], self._books.now)
        if self._chance.happens(0.4, "seats change", *words) and plan != "starter":
            quantity = max(1, item["quantity"] + self._chance.between(-5, 12, "seats by", *words))
            self._company.plan_changes.change_plan(subscription["id"], item["price"]["id"], quantity)
            return
        if self._chance.happens(0.15, "goes yearly", *words):
            interval = "year"
        step = 1 if self._chance.happens(0.75, "upgrade", *words) else -1
        place = min(max(LADDER.index(plan) + step, 0), len(LADDER) - 1)
        seats = None if LADDER[place] == "starter" else max(2, item["quantity"])
        price = self._catalog.price(LADDER[place], interval, currency)
        if price != item["price"]["id"]:
            self._company.plan_changes.change_plan(subscription["id"], price, seats or 1)

    def _change_email(self, customer: Payload, subscription: Payload | None) -> None:
        email = customer["email"]
        if email is None or "@example.com" not in email:
            new: str | None = f"late-{self._chance.token('late', customer['id'])[:6].lower()}@example.com"
        else:
            new = email.replace("@example.com", "@new.example.com")
        self._books.change("customer", customer["id"], {"email": new}, "customer.updated")

    def _change_details(self, customer: Payload, subscription: Payload | None) -> None:
        country = self._chance.pick(MARKETS, "moves", customer["id"], self._books.now)[0]
        address = {**(customer["address"] or payloads.NO_ADDRESS), "country": country, "line1": "Example Street 1"}
        self._books.change("customer", customer["id"], {"address": address}, "customer.updated")

    def _cancel_later(self, customer: Payload, subscription: Payload | None) -> None:
        if subscription is not None:
            undo = subscription["cancel_at"] is not None
            self._company.subscriptions.cancel_later(subscription["id"], undo=undo)

    def _cancel_now(self, customer: Payload, subscription: Payload | None) -> None:
        if subscription is not None:
            self._company.collection.end_subscription(subscription["id"], reason="cancellation_requested")

    def _card_fails(self, customer: Payload, subscription: Payload | None) -> None:
        """From now on the card is refused; most people enter another one some weeks after."""
        self._company.payments.declining.add(customer["id"])
        if self._chance.happens(0.7, "fixes", customer["id"], self._books.now):
            wait = self._chance.between(20, 45, "fixes after", customer["id"], self._books.now)
            self._agenda.add(self._books.now + wait * DAY, "fix_card", customer["id"])

    def _card_is_renewed(self, customer: Payload, subscription: Payload | None) -> None:
        card = self._company.payments.card_of(customer)
        if card is not None:
            self._books.request_id = None
            self._company.payments.renew_card(card["id"])

    def _pause(self, customer: Payload, subscription: Payload | None) -> None:
        """Have collection paused until somebody ends that, or for some weeks; or end it."""
        if subscription is None or subscription["status"] not in ("active", "past_due"):
            return
        pause = None
        if subscription["pause_collection"] is None:
            words = (subscription["id"], self._books.now)
            until = self._books.now + 20 * DAY if self._chance.happens(0.5, "for a time", *words) else None
            pause = {"behavior": self._chance.pick(PAUSES, "pause", *words), "resumes_at": until}
        self._company.subscriptions.pause_collection(subscription["id"], pause)

    def _come_back(self, customer: Payload, subscription: Payload | None) -> None:
        if subscription is not None:
            return
        country_currency = customer["currency"] or "usd"
        if self._company.payments.card_of(customer) is None:
            self._company.payments.attach_card(customer["id"])
        price = self._catalog.price("starter", "month", country_currency)
        self._company.subscriptions.begin(customer["id"], [(price, 1)])

    def _leave(self, customer: Payload, subscription: Payload | None) -> None:
        self._forget(customer["id"])

    def _live_subscription(self, customer: str) -> Payload | None:
        live = [row for row in self._books.of_customer("subscription", customer) if row["status"] not in ENDED]
        return live[-1] if live else None

    def _market(self, number: int) -> Market:
        return self._chance.deal(MARKETS, number, "market")

    def _email(self, number: int) -> str | None:
        """Most are plain; some are missing, odd, shared with an earlier customer, or differ from it by case."""
        plain = f"customer-{number}@example.com"
        earlier = self._chance.between(max(0, number - 40), max(0, number - 1), "earlier", number)
        match self._chance.deal(EMAILS, number, "email"):
            case "missing":
                return None
            case "shared":
                return f"customer-{earlier}@example.com"
            case "shared but for case":
                return f"CUSTOMER-{earlier}@Example.com"
            case "odd":
                odd = (
                    f" customer-{number}@example.com ",
                    f"Customer-{number}@Example.com",
                    f"customer-{number}+billing@example.com",
                    "not-an-address",
                    f"kundin-{number}@exämple.com",
                )
                return odd[number // len(EMAILS) % len(odd)]
        return plain

    def _by_request(self) -> None:
        self._books.request_id = self._books.ids.new("req")


def sign_up_moments(count: int, start: int, end: int, chance: Chance) -> Iterator[int]:
    """Spread arrivals over a stretch of time, in order."""
    width = (end - start) / max(1, count)
    for number in range(count):
        yield int(start + (number + chance.unit("arrival", number)) * width)
