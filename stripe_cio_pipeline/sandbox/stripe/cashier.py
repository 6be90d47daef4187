"""What is done with money by hand: charged, held, debited, refunded, credited, disputed."""

import functools
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar, cast

from stripe_cio_pipeline.sandbox.stripe.books import Books
from stripe_cio_pipeline.sandbox.stripe.chance import Chance
from stripe_cio_pipeline.sandbox.stripe.company import Company
from stripe_cio_pipeline.sandbox.stripe.shelf import Payload

Method = TypeVar("Method", bound=Callable[..., Any])


def act(method: Method) -> Method:
    """Make a method an act: alone under the lock, at the present moment, as one API request of the merchant."""

    @functools.wraps(method)
    def done(self: "Cashier", *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            self.catch_up()
            self.books.request_id = self.books.ids.new("req")
            return method(self, *args, **kwargs)

    return cast("Method", done)


class Cashier(ABC):
    """What is done with money by hand. Amounts are in minor units."""

    lock: threading.RLock
    books: Books
    chance: Chance
    company: Company

    @abstractmethod
    def catch_up(self) -> None:
        """Let everything happen that was due until now."""

    @abstractmethod
    def _wake(self, object: str, id: str) -> None:  # noqa: A002
        """Make sure that the owner of an object is stored, and lives on."""

    @abstractmethod
    def _delete(self, id: str) -> Payload:  # noqa: A002
        """Delete a customer and end what is theirs."""

    @act
    def create_charge(
        self, customer: str | None = None, amount: int = 1_000, currency: str = "usd", *, email: str | None = None
    ) -> Payload:
        """Charge a customer's card once, or a guest's (no customer, only an email in the billing details)."""
        if customer is None:
            card = self.books.add(self.company.payments.new_card(None, email))
            return self.company.payments.charge(
                amount=amount, currency=currency, customer=None, method=card, email=email
            )
        self._wake("customer", customer)
        owner = self.books.get("customer", customer)
        method = self.company.payments.card_of(owner) or self.company.payments.attach_card(customer)
        return self.company.payments.charge(amount=amount, currency=currency, customer=owner, method=method)

    @act
    def refund(self, charge: str, amount: int | None = None) -> Payload:
        """Refund a charge, in part or all that is left."""
        self._wake("charge", charge)
        return self.company.payments.refund(charge, amount)

    @act
    def authorize(self, customer: str, amount: int, currency: str = "usd") -> Payload:
        """Hold an amount on a customer's card; `capture` takes it or a part of it."""
        self._wake("customer", customer)
        return self.company.payments.authorize(self.books.get("customer", customer), amount, currency)

    @act
    def capture(self, charge: str, amount: int) -> Payload:
        """Take (a part of) what is held by an authorized charge, and release the rest."""
        return self.company.payments.capture(charge, amount)

    @act
    def debit_invoice(self, id: str) -> Payload:  # noqa: A002
        """Begin to collect an open invoice by direct debit; its charge is pending until `settle_debit`."""
        self._wake("invoice", id)
        if self.books.get("invoice", id)["status"] == "draft":
            self.company.invoices.finalize(id)
        return self.company.invoices.debit(id)

    @act
    def settle_debit(self, charge: str, *, paid: bool = True) -> Payload:
        """Let the bank pay or refuse a debit that is under way."""
        return self.company.collection.settle_debit(self.books.get("charge", charge), paid=paid)

    @act
    def pay_outside(self, invoice: str, amount: int) -> Payload:
        """Record that (a part of) an open invoice was paid past Stripe."""
        self._wake("invoice", invoice)
        return self.company.collection.pay_outside(invoice, amount)

    @act
    def credit_invoice(self, invoice: str, *, outside: int = 0, refund: int = 0, to_balance: int = 0) -> Payload:
        """Write a credit note to a paid invoice: paid back past Stripe, refunded, or put on the customer's balance."""
        self._wake("invoice", invoice)
        return self.company.invoices.credit(invoice, outside=outside, refund=refund, to_balance=to_balance)

    @act
    def dispute(
        self, charge: str, reason: str = "fraudulent", *, amount: int | None = None, inquiry: bool = False
    ) -> Payload:
        """Let the customer's bank dispute a charge or a part of it, or only inquire about it."""
        self._wake("charge", charge)
        return self.company.payments.dispute(charge, reason, amount=amount, inquiry=inquiry)

    @act
    def escalate_dispute(self, id: str) -> Payload:  # noqa: A002
        """Make a dispute of an inquiry."""
        return self.company.payments.escalate(id)

    @act
    def close_dispute(self, id: str, *, won: bool = False) -> Payload:  # noqa: A002
        """End a dispute, or an inquiry."""
        return self.company.payments.close_dispute(id, won=won)
