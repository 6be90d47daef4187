"""The worker behind the door: what was accepted goes into the warehouse, and on to Customer.io, within seconds.

It takes an event out of the inbox only once the warehouse has it. So whatever ends this process, and whenever, the
event is in one of the two, and the warehouse knows events by their ids.
"""

import threading
import time
from collections.abc import Callable
from uuid import uuid4

from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.extract import Arrived
from stripe_cio_pipeline.listening.counts import Counts
from stripe_cio_pipeline.listening.inbox import Inbox, Waiting
from stripe_cio_pipeline.sync import Opened, failure_of, send_arrivals, take_arrivals

#: Events are gathered for so long, or until there are so many.
GATHER_SECONDS = 0.5
MOST_AT_ONCE = 1_000
#: A run is noted in the warehouse as long as this, however many rounds it has.
RUN_SECONDS = 3_600.0
#: While links settle or the turn is somebody else's, it is looked again after these waits, the last over and over.
_LOOK_AGAIN = (1.0, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)
#: After a failure the same is tried again after these waits.
_TRY_AGAIN = (2.0, 5.0, 15.0, 30.0, 60.0)


class Worker:
    """Rounds in a thread of their own, until it is stopped. `say` gets a sentence when something fails, or goes on."""

    def __init__(
        self,
        opened: Opened,
        inbox: Inbox,
        counts: Counts,
        *,
        say: Callable[[str], object],
        on_account: Callable[[str], object] = lambda _: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._opened = opened
        self._inbox = inbox
        self._counts = counts
        self._say = say
        self._on_account = on_account
        self._now = now
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="listen-worker", daemon=True)
        self._is_simulated: bool | None = None
        self._run_id, self._run_began = "", 0.0
        #: What was taken in and not sent: each event's id, and when it was created.
        self._unsent: dict[str, int] = {}
        #: Whether anything is: also what an earlier process may have left.
        self._is_due = True
        self._trouble = ""
        self._failures = 0
        self._looks = 0
        self._rests_until = 0.0

    def start(self) -> None:
        """Begin; the first round looks for what an earlier process has left."""
        self._thread.start()

    def wake(self) -> None:
        """Tell that an event is in the inbox."""
        self._woken.set()

    def stop(self, seconds: float) -> bool:
        """Begin nothing new. Gives whether what was under way has ended within so many seconds."""
        self._stopped.set()
        self._woken.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        wait: float | None = 0.0
        while not self._stopped.is_set():
            self._woken.wait(wait)
            self._woken.clear()
            if self._stopped.wait(GATHER_SECONDS):
                return
            wait = self._round()

    def _round(self) -> float | None:
        """Do what there is to do. Gives after how many seconds to look again; None: when an event comes."""
        began = time.monotonic()
        try:
            outcome, wait = self._step()
        except Exception as error:  # a thread that ends in silence would be worse
            known = isinstance(error, PipelineError)
            # An error that is not ours may hold a payload, so only its kind is told.
            what = str(error) if known else f"Something unexpected happened: {type(error).__name__}."
            self._tell(f"{what} What was accepted is kept, and is tried again.")
            outcome = type(error).__name__ if known else "unexpected"
            wait = _TRY_AGAIN[min(self._failures, len(_TRY_AGAIN) - 1)]
            self._failures += 1
            self._rests_until = time.monotonic() + wait
        self._counts.rounds[outcome] += 1
        self._counts.round_seconds = time.monotonic() - began
        return wait

    def _step(self) -> tuple[str, float | None]:
        waiting = self._inbox.waiting(MOST_AT_ONCE)
        if waits_for := self._take(waiting):
            self._tell(f"Events wait for {waits_for}: run stripe-cio sync.")
            return "waits", self._look_again()
        outcome, wait = self._send()
        # However that went, the rest of what waits is taken in now.
        return outcome, 0.0 if len(waiting) == MOST_AT_ONCE else wait

    def _send(self) -> tuple[str, float | None]:
        """Send what is not sent yet, where that can be."""
        if not self._is_due:
            return "idle", None
        # What keeps failing is not tried with every event; these are taken in meanwhile.
        if (rest := self._rests_until - time.monotonic()) > 0:
            return "resting", rest
        sent = send_arrivals(self._opened, self._run())
        if sent is None:
            return "busy", self._look_again()
        self._failures = 0
        self._is_due = bool(sent.in_between) and not sent.stopped
        if sent.stopped:
            self._tell("The guard has stopped the plan: events are taken in, nothing is sent. Look: stripe-cio plan.")
            return "guard", None
        self._well()
        now = self._now()
        self._counts.lagged(max(0.0, now - created) for created in self._unsent.values())
        self._inbox.sent_on(self._unsent, people=sent.people, events=sent.events)
        self._unsent.clear()
        return "sent", self._look_again() if sent.in_between else None

    def _take(self, waiting: list[Waiting]) -> str:
        """Take events into the warehouse and out of the inbox. Says what they wait for, where that cannot be yet."""
        if not waiting and not self._is_due:
            return ""
        taken = take_arrivals(
            self._opened,
            self._run(),
            [Arrived(each.body, each.sent_at) for each in waiting],
            is_simulated=self._is_simulated,
        )
        if taken.waits_for:
            return taken.waits_for
        self._is_simulated = taken.is_simulated
        if taken.account:
            self._on_account(taken.account)
        self._inbox.taken(each.id for each in waiting)
        if waiting:
            # Also where the warehouse knew them already: an earlier round may have ended before it sent them.
            self._is_due, self._looks = True, 0
            self._unsent.update((each.id, each.created) for each in waiting)
        if failure := failure_of(taken.failures):
            raise failure
        return ""

    def _run(self) -> str:
        if not self._run_id or time.monotonic() - self._run_began > RUN_SECONDS:
            self._run_id, self._run_began = f"listen-{uuid4()}", time.monotonic()
        return self._run_id

    def _look_again(self) -> float:
        wait = _LOOK_AGAIN[min(self._looks, len(_LOOK_AGAIN) - 1)]
        self._looks += 1
        return wait

    def _tell(self, what: str) -> None:
        if what != self._trouble:
            self._trouble = what
            self._say(what)

    def _well(self) -> None:
        if self._trouble:
            self._say("It goes on: what had waited is sent.")
        self._trouble = ""
