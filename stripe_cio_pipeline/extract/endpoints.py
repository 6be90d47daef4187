"""Whether Stripe's webhook endpoint fits what is forwarded and computed here. It is read, and never written."""

import asyncio
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stripe_cio_pipeline.event_types import known_types, meant
from stripe_cio_pipeline.extract.budget import Budget
from stripe_cio_pipeline.extract.objects import PINNED_VERSION
from stripe_cio_pipeline.extract.state import is_live
from stripe_cio_pipeline.extract.transport import Patience, Refusal, Transport, wrong_request
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings

ENDPOINTS_PATH = "/v1/webhook_endpoints"
#: Where `stripe-cio listen` takes events.
WEBHOOK_PATH = "/stripe/webhook"

#: What changes objects from which attributes are computed.
_CHANGING = (
    "charge.dispute.*",
    "charge.failed",
    "charge.refunded",
    "charge.succeeded",
    "coupon.*",
    "credit_note.*",
    "customer.created",
    "customer.deleted",
    "customer.discount.*",
    "customer.subscription.*",
    "customer.updated",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.updated",
    "invoice.voided",
    "invoice_payment.paid",
    "price.*",
    "product.*",
)
#: Stripe waits for the answer to it: an endpoint that is down delays invoices (docs.stripe.com/billing/subscriptions/
#: webhooks). What it tells is told by others.
_BLOCKING = frozenset({"invoice.created"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint for this pipeline, as Stripe has it. `all_types`: it asks for every type.

    `unforwarded` are types that are forwarded and that it does not ask for, `late` those that change attributes, which
    then wait for a poll; `blocking` are those that it had better not ask for.
    """

    url: str
    enabled: bool
    version: str | None
    all_types: bool
    unforwarded: tuple[str, ...]
    late: tuple[str, ...]
    blocking: tuple[str, ...]

    @property
    def is_pinned(self) -> bool:
        """Whether its events need no read for their version's sake."""
        return self.version == PINNED_VERSION


def wanted_types(policy: Policy) -> tuple[str, ...]:
    """Give the types that an endpoint should ask for, sorted."""
    pattern = re.compile(meant([*policy.events.forward, *_CHANGING]))
    return tuple(sorted(name for name in known_types() if pattern.fullmatch(name) and name not in _BLOCKING))


def judge_endpoint(endpoint: Mapping[str, Any], policy: Policy) -> Endpoint:
    """Hold an endpoint of Stripe's against the policy. Pure."""
    asked: Collection[str] = endpoint.get("enabled_events") or ()
    everything = "*" in asked
    forwarded = re.compile(meant(policy.events.forward))
    missing = () if everything else tuple(name for name in wanted_types(policy) if name not in asked)
    version = endpoint.get("api_version")
    return Endpoint(
        url=str(endpoint.get("url")),
        enabled=endpoint.get("status") == "enabled",
        version=version if isinstance(version, str) else None,
        all_types=everything,
        unforwarded=tuple(name for name in missing if forwarded.fullmatch(name)),
        late=tuple(name for name in missing if not forwarded.fullmatch(name)),
        blocking=tuple(sorted(_BLOCKING)) if everything else tuple(sorted(_BLOCKING & set(asked))),
    )


def command_to_create(policy: Policy) -> str:
    """Give the command that makes an endpoint that fits. The address is the user's own, and so is the key."""
    parts = ["curl", "https://api.stripe.com/v1/webhook_endpoints", "-u", "sk_...:"]
    fields = [f"url=https://YOUR-ADDRESS{WEBHOOK_PATH}", f"api_version={PINNED_VERSION}"]
    fields += [f"enabled_events[]={name}" for name in wanted_types(policy)]
    return shlex.join([*parts, *(part for field in fields for part in ("-d", field))])


def read_endpoints(settings: Settings, policy: Policy, *, patience: Patience | None = None) -> tuple[Endpoint, ...]:
    """Ask Stripe for its webhook endpoints, and give those that lead to `stripe-cio listen`.

    Raises SettingsError, StripeError: the key may lack the permission, which nothing else needs.
    """
    return tuple(
        judge_endpoint(each, policy)
        for each in asyncio.run(_read(settings, policy, patience))
        if str(each.get("url", "")).rstrip("/").endswith(WEBHOOK_PATH)
    )


async def _read(settings: Settings, policy: Policy, patience: Patience | None) -> Sequence[Mapping[str, Any]]:
    key = settings.require_stripe()
    async with Transport(
        key,
        settings.stripe_api_base,
        settings.stripe_account,
        Budget(policy.stripe, live=is_live(key)),
        patience=patience or Patience(attempts=3),
    ) as transport:
        # Sixteen are the most that an account has.
        answer = await transport.list(ENDPOINTS_PATH, {})
    if isinstance(answer, Refusal):
        raise wrong_request(answer, ENDPOINTS_PATH)
    rows: list[dict[str, Any]] = answer.body["data"]
    return rows
