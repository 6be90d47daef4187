"""How the Stripe side behaves. Every field can be changed while it runs."""

from dataclasses import dataclass, field

PINNED_VERSION = "2026-10-28.endive"
"""The API version of stripe-python 16.1, and the shape in which the account's objects are kept."""

READ_PERMISSIONS = frozenset(
    f"rak_{name}_read"
    for name in (
        "accounts_kyc_basic",
        "balance_transaction_source",
        "charge",
        "checkout_session",
        "coupon",
        "credit_note",
        "customer",
        "dispute",
        "event",
        "invoice",
        "payment_intent",
        "payment_method",
        "plan",
        "product",
        "promotion_code",
        "subscription",
        "test_clock",
        "webhook",
    )
)
"""What a restricted key may be granted, by Stripe's internal names."""


@dataclass(slots=True)
class StripeSwitches:
    """The awkward choice is the default where documents disagree; limits and latency are off in process.

    `permissions` are those of the restricted key; the secret key may do everything. Rates are requests per second.
    """

    api_version: str = PINNED_VERSION
    """The account's default version: events are rendered in it, and answers to requests that name none."""

    late_events_share: float = 0.2
    """Share of events that are not listed at once."""
    late_events_seconds: float = 20.0
    """How late the latest of them appears (0 to 60), on the sandbox's clock."""

    duplicate_events_share: float = 0.05
    """Share of changes that Stripe tells of twice, by two events with ids of their own."""

    limits: bool = False
    endpoint_per_second: float = 25.0
    account_per_second: float = 100.0
    search_per_second: float = 20.0
    sandbox_account: bool = False
    """A sandbox account is held to 25 requests per second in all."""
    concurrent_requests: int = 0
    """More requests than this at one time get a `global-concurrency` 429; 0: no such limit."""

    latency_seconds: float = 0.0
    permissions: set[str] = field(default_factory=lambda: set(READ_PERMISSIONS))
    livemode: bool = False
    account_id: str = ""
    """Chosen from the seed when empty."""

    expired_keys: set[str] = field(default_factory=set)
    """Keys that were rolled: refused as expired, not as unknown."""

    new_permission_wording: bool = True
    """Stripe words a 403 in two ways; the newer one names the permission as the dashboard does."""
    unscoped_payment_methods: bool = False
    """Whether `GET /v1/payment_methods` without a customer lists customers' methods (unknown; harsh: no)."""
    unknown_event_type_fails: bool = True
    """Whether an event filter with a type that does not exist is a 400."""
    test_clock_events: bool = True
    """Whether events of objects on a test clock are listed (unknown; harsh: yes, though lists hide the objects)."""
    deleted_cursor_fails: bool = True
    """Whether a cursor that names a deleted object is a 400 (unknown; harsh: yes)."""
    webhook_repeats_share: float = 0.02
    """Share of deliveries that come once more although the endpoint took them."""
    webhook_timeout_seconds: float = 10.0
    """How long an endpoint may take to answer (no document says; users saw 10 to 30)."""
    nested_limit: int = 10
    """How many rows of a nested list are delivered inside its parent."""
