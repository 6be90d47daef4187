"""What `check` says of Stripe's webhook endpoint, where one is to be listened for."""

from collections.abc import Iterator

from stripe_cio_pipeline import extract
from stripe_cio_pipeline.cli.findings import Finding
from stripe_cio_pipeline.errors import PipelineError, StripePermissionError
from stripe_cio_pipeline.policy import Policy
from stripe_cio_pipeline.settings import Settings

_SUBJECT = "Stripe webhook endpoint"
_MOST_NAMED = 8


def look_at_endpoints(settings: Settings, policy: Policy) -> Iterator[Finding]:
    """Say whether there is an endpoint, and whether it fits. Without a signing secret nobody listens."""
    if settings.stripe_webhook_secret is None:
        return
    try:
        found = extract.read_endpoints(settings, policy)
    except StripePermissionError:
        advice = (
            "Give the key Webhook Endpoints: Read (rak_webhook_read) if check is to look at it. Nothing else needs it."
        )
        yield Finding(_SUBJECT, "skipped", "the key may not read webhook endpoints", advice)
        return
    except PipelineError as error:
        yield Finding.of(_SUBJECT, error)
        return
    if not found:
        yield Finding(
            _SUBJECT,
            "failed",
            f"none leads to an address that ends in {extract.WEBHOOK_PATH}",
            "Make one with a key that may write them (nothing here writes to Stripe), and set STRIPE_WEBHOOK_SECRET to "
            f"the secret in the answer:\n{extract.command_to_create(policy)}",
            1,
        )
    for endpoint in found:
        yield _judged(endpoint)


def _judged(endpoint: extract.Endpoint) -> Finding:
    problems, hints = [], []
    if not endpoint.enabled:
        problems.append("it is disabled: enable it in the dashboard")
    if endpoint.unforwarded:
        problems.append(f"it does not ask for {_named(endpoint.unforwarded)}, which you forward: add them")
    if endpoint.late:
        hints.append(f"what {_named(endpoint.late)} change waits for a poll: add them")
    if not endpoint.is_pinned:
        version = endpoint.version or "the account's default version"
        hints.append(
            f"its events come in {version}, at a read each: make one with api_version={extract.PINNED_VERSION}"
        )
    if endpoint.blocking:
        hints.append(f"while nobody answers, {_named(endpoint.blocking)} delays invoices: leave it out")
    what = f"{endpoint.url} asks for {'every type' if endpoint.all_types else 'chosen types'}"
    if problems:
        return Finding(_SUBJECT, "failed", what, _sentence([*problems, *hints]), 1)
    return Finding(_SUBJECT, "ok", what, note=_sentence(hints))


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _named(types: tuple[str, ...]) -> str:
    named = ", ".join(types[:_MOST_NAMED])
    return named if len(types) <= _MOST_NAMED else f"{named} and {len(types) - _MOST_NAMED} more"
