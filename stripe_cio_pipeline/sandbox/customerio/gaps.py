"""People whom the App API's lists leave out for a while, though they are there."""

import random

from stripe_cio_pipeline.sandbox.customerio.switches import CustomerioSwitches

REST_SECONDS = 86_400.0
"""Who was left out is not left out again for a day, so that looking twice, some time apart, finds everybody."""


class Gaps:
    """Decides, each time a person is asked for among others, whether they are left out.

    The API reference says that unknown ids are left out of an answer, and of nobody else that they may be: lists that
    leave out people who exist were seen, not documented.
    """

    def __init__(self, switches: CustomerioSwitches, seed: int) -> None:
        self._switches = switches
        self._draw = random.Random(f"gaps {seed}").random
        self._since: dict[str, float] = {}

    def leave_out(self, cio_id: str, now: float) -> bool:
        """Tell whether this person is left out at ``now`` (seconds), at least until ``left_out_seconds`` are over."""
        share = self._switches.left_out_share
        if not share:
            return False
        began = self._since.get(cio_id)
        if began is not None and now - began < REST_SECONDS:
            return now - began < self._switches.left_out_seconds
        if self._draw() >= share:
            return False
        self._since[cio_id] = now
        return True
