"""Random lives of an account, read by random runs: whatever happened, a quiet poll later the warehouse is right."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from stripe_cio_pipeline.errors import StripeError, WarehouseLocked
from stripe_cio_pipeline.extract import OBJECTS, changes, clock, growing, named, transport
from stripe_cio_pipeline.extract.clock import date_of
from stripe_cio_pipeline.extract.unread import LONGEST_PAUSE, now_utc
from stripe_cio_pipeline.sandbox import Fault, StripeSwitches
from tests.extract.stage import Stage, meanwhile
from tests.extract.test_growing import OLDER, of_older_release
from tests.kept_open import kept_open

#: Each life opens and closes its own.
pytestmark = pytest.mark.file_is_shared

names = st.text(alphabet="abc é", min_size=1, max_size=6)
pick = st.integers(0, 10_000)
#: An id that the merchant chose, and may choose again.
CHOSEN = "WELCOME"


class WrongDates:
    """Reads the dates of answers, and moves those of some: from the `number`-th on, `many` of them."""

    def __init__(self, number: int, many: int, off: int) -> None:
        self._moved = range(number, number + many)
        self._off = off
        self._answer: Mapping[str, str] | None = None
        self._answers = 0

    def __call__(self, headers: Mapping[str, str]) -> int | None:
        if headers is not self._answer:
            self._answer = headers
            self._answers += 1
        date = date_of(headers)
        return date if date is None or self._answers not in self._moved else date + self._off


class Account(RuleBasedStateMachine):
    """What can happen at Stripe, and what can happen to us."""

    @initialize(version=st.sampled_from(["2026-10-28.endive", "2025-03-31.basil"]), late=st.sampled_from([0.0, 0.6]))
    def open(self, version: str, late: float) -> None:
        self.ends = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="convergence-"))
        self.ends.callback(shutil.rmtree, self.folder)
        self.ends.enter_context(kept_open())
        switches = StripeSwitches(api_version=version, late_events_share=late, late_events_seconds=60.0)
        self.stage = Stage(self.folder, customers=3, switches=switches, history_days=10)
        self.ends.enter_context(self.stage.sandbox)

    def _one(self, kind: str, number: int) -> str | None:
        ids = sorted(self.stage.stripe.objects(kind))
        return ids[number % len(ids)] if ids else None

    def _break_off(self, request: int, act: Callable[[], object]) -> None:
        faults = self.stage.stripe.faults
        first = faults.request_number + request
        for number in range(first, first + 200):
            faults.at(number, Fault.error(403))
        with suppress(StripeError):
            act()
        faults.clear()

    @rule(name=names)
    def a_customer_signs_up(self, name: str) -> None:
        self.stage.stripe.create_customer(name=name, email="customer-77@example.com")

    @rule(number=pick, name=names, times=st.integers(1, 4))
    def a_customer_is_changed_some_times_in_a_second(self, number: int, name: str, times: int) -> None:
        if customer := self._one("customer", number):
            for time in range(times):
                self.stage.stripe.update_customer(customer, name=f"{name}{time % 2}")

    @rule(number=pick)
    def a_customer_is_deleted(self, number: int) -> None:
        if customer := self._one("customer", number):
            self.stage.stripe.delete_customer(customer)

    @rule(number=pick)
    def a_customer_gets_another_card(self, number: int) -> None:
        if customer := self._one("customer", number):
            self.stage.stripe.attach_card(customer)

    @rule(number=pick)
    def a_subscription_is_canceled(self, number: int) -> None:
        living = [i for i, row in self.stage.stripe.objects("subscription").items() if row["status"] == "active"]
        if living:
            self.stage.stripe.cancel_subscription(sorted(living)[number % len(living)])

    @rule(number=pick)
    def a_customer_is_charged(self, number: int) -> None:
        if customer := self._one("customer", number):
            self.stage.stripe.create_charge(customer, 1_000 + number)

    @rule(name=names)
    def a_product_is_renamed(self, name: str) -> None:
        if product := self._one("product", 0):
            self.stage.stripe.update_product(product, name=name)

    @rule(seconds=st.one_of(st.integers(0, 3), st.integers(0, 500), st.just(90_000)))
    def time_passes(self, seconds: int) -> None:
        self.stage.pass_time(seconds=seconds)

    @rule()
    def a_coupon_of_a_chosen_name_is_made_or_made_again(self) -> None:
        if CHOSEN in self.stage.stripe.objects("coupon"):
            self.stage.delete_coupon(CHOSEN)
        if len(self.stage.stripe.events()) % 3:
            self.stage.stripe.create_coupon(id=CHOSEN, percent_off=float(1 + len(self.stage.stripe.events()) % 90))

    @rule()
    def a_month_passes_and_a_day(self) -> None:
        self.stage.pass_time(days=32)

    @rule(permission=st.sampled_from(["rak_customer_read", "rak_charge_read", "rak_coupon_read", "rak_event_read"]))
    def a_permission_comes_or_goes(self, permission: str) -> None:
        self.stage.stripe.switches.permissions ^= {permission}

    @rule()
    def a_run(self) -> None:
        self.stage.extract(raise_failures=False)

    @rule(names=st.sets(st.sampled_from([kind.name for kind in OBJECTS]), min_size=1, max_size=3))
    def a_run_for_some_object_types(self, names: set[str]) -> None:
        self.stage.extract(objects=names, raise_failures=False)

    @rule(dry_run=st.booleans())
    def a_reconcile(self, dry_run: bool) -> None:
        self.stage.reconcile(dry_run=dry_run, raise_failures=False)

    @rule(days=st.integers(1, 40))
    def events_from_before_are_fetched(self, days: int) -> None:
        if self.stage.warehouse.exists:
            with suppress(StripeError):
                self.stage.fetch_older_events(days=days)

    @rule(share=st.floats(0.05, 0.3))
    def a_run_among_faults(self, share: float) -> None:
        self.stage.stripe.faults.rate(share, Fault.reset_mid_body())
        self.stage.extract(raise_failures=False)
        self.stage.stripe.faults.clear()

    @rule(request=st.integers(1, 12))
    def a_run_that_breaks_off(self, request: int) -> None:
        """From some request on nothing is answered: whatever was stored by then stays, and the rest is left."""
        self._break_off(request, self.stage.extract)

    @rule(request=st.integers(3, 30))
    def a_reconcile_that_breaks_off(self, request: int) -> None:
        """The next one goes on where it was."""
        self._break_off(request, self.stage.reconcile)

    @rule(number=pick, name=names)
    def a_run_in_which_an_object_cannot_be_read(self, number: int, name: str) -> None:
        """A 500 for it in this run, however often it is asked for; in a later one not."""
        if customer := self._one("customer", number):
            self.stage.stripe.update_customer(customer, name=f"{name}?")
            self.stage.stripe.faults.rate(1.0, Fault.error(500), path=f"/v1/customers/{customer}")
            self.stage.extract(raise_failures=False)
            self.stage.stripe.faults.clear()

    @rule(name=names, runs=st.booleans())
    def a_look_for_changes(self, name: str, runs: bool) -> None:
        """Its page is handed to the run, and something may happen between the two."""
        with suppress(StripeError):
            looked = self.stage.peek()
            self.a_product_is_renamed(name)
            if runs:
                self.stage.extract(raise_failures=False, page=looked.page)

    @rule(number=st.integers(1, 8), many=st.integers(1, 3), off=st.sampled_from([-86_400, -400, 400, 86_400]))
    def a_run_that_is_told_a_wrong_time(self, number: int, many: int, off: int) -> None:
        """The dates of some answers are far off, and nothing says that the clock is a sandbox's."""
        with pytest.MonkeyPatch.context() as patch:
            wrong = WrongDates(number, many, off)
            patch.setattr(clock, "date_of", wrong)
            patch.setattr(transport, "date_of", wrong)
            patch.setattr(clock, "SIMULATED", "not-a-header")
            with suppress(StripeError):
                self.stage.extract(raise_failures=False, now=self.stage.sandbox.clock.now)
        # A row that is dated ahead is held against this machine's clock in the next run, but not in one that knows its
        # Stripe for a sandbox. So what is ahead passes first.
        self.stage.pass_time(seconds=max(0, off))

    @rule(loss=st.sampled_from(sorted(OLDER)))
    def an_upgrade(self, loss: str) -> None:
        """What an older release has stored lacks something, and it did not note what it asked for."""
        if self.stage.warehouse.exists:
            of_older_release(self.stage, OLDER[loss][1])

    @rule(answer=st.integers(1, 6), number=pick, name=names, compares=st.booleans())
    def two_runs_at_once(self, answer: int, number: int, name: str, compares: bool) -> None:
        """While an answer is on its way to one process, something changes and another process syncs."""

        def change_and_sync() -> None:
            self.a_customer_is_changed_some_times_in_a_second(number, name, 1 + number % 2)
            with suppress(WarehouseLocked):  # a slow machine: the other process tries again later
                self.stage.extract(raise_failures=False)

        with pytest.MonkeyPatch.context() as patch:
            meanwhile(patch, answer, change_and_sync)
            if compares:
                self.stage.reconcile(raise_failures=False)
            else:
                self.stage.extract(raise_failures=False)

    @invariant()
    def no_row_is_there_twice(self) -> None:
        if not self.stage.warehouse.exists:
            return
        tables = [*(kind.name for kind in OBJECTS), "events"]
        # All at once: this is asked after every step.
        twice = [f"select '{table}' from stripe.{table} having count(*) > count(distinct id)" for table in tables]
        assert self.stage.rows(" union all ".join(twice)) == []

    def teardown(self) -> None:
        if not hasattr(self, "stage"):
            return
        with self.ends:
            self.stage.stripe.switches.permissions = set(StripeSwitches().permissions)
            self.stage.settle()
            with pytest.MonkeyPatch.context() as patch:
                # What could not be read twice in a row rests, by this machine's clock.
                for module in (changes, growing, named):
                    patch.setattr(module, "now_utc", lambda: now_utc() + LONGEST_PAUSE)
                self.stage.extract()
            self.stage.assert_in_step()


_CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much]

TestShortLives = pytest.mark.timeout(600)(Account.TestCase)
TestShortLives.settings = settings(
    deadline=None, derandomize=True, max_examples=25, stateful_step_count=6, suppress_health_check=_CHECKS
)


class LongAccount(Account):
    """The same, for longer."""


TestLongLives = pytest.mark.gauntlet(pytest.mark.timeout(7_200)(LongAccount.TestCase))
TestLongLives.settings = settings(
    deadline=None, max_examples=200, stateful_step_count=25, suppress_health_check=_CHECKS, print_blob=True
)
