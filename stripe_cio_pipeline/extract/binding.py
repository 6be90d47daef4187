"""To which Stripe account and mode this warehouse belongs."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from stripe_cio_pipeline.errors import BindingError, StripePermissionError
from stripe_cio_pipeline.extract.pressure import Refusal
from stripe_cio_pipeline.extract.transport import Transport, wrong_request
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Connection, Statements, read_cursor, replace, write_cursor

_SQL = Statements("stripe_cio_pipeline.extract.sql")

ACCOUNT = "stripe.account"
LIVEMODE = "stripe.livemode"
#: A mark of the key and address that were last found to belong to the account, so that a poll need not ask again.
FINGERPRINT = "stripe.fingerprint"
#: From when on events are forwarded with `events.since: install`: Stripe's clock at the first binding.
EVENTS_SINCE = "events.since"


def is_live(key: str) -> bool:
    """Whether a key belongs to live mode, by its prefix. An organization key (`sk_org_`) names its mode too."""
    return "_live_" in key


def fingerprint(settings: Settings) -> str:
    """Mark key, connected account and address, so that none can be read from it: 64 bits of a SHA-256."""
    secret = f"{settings.require_stripe()}\n{settings.stripe_account or ''}\n{settings.stripe_api_base}"
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def read_bindings(connection: Connection) -> dict[str, str]:
    """Give what this warehouse is bound to on Stripe's side; empty before the first run."""
    return dict(connection.execute(_SQL["bindings"]).fetchall())


def bind_stripe(
    connection: Connection, *, account: str, livemode: bool, mark: str, stripe_now: int, run_id: str | None = None
) -> None:
    """Bind a warehouse that is not bound yet, or check that it is bound to this account and mode.

    Inside the caller's transaction. Raises BindingError.
    """
    bound = read_bindings(connection)
    check_bindings(bound, account=account, livemode=livemode)
    for name, value in ((ACCOUNT, account), (LIVEMODE, str(livemode).lower()), (FINGERPRINT, mark)):
        if bound.get(name) != value:
            row = {"name": name, "value": value, "bound_at": datetime.now(UTC).replace(tzinfo=None)}
            replace(connection, "pipeline.bindings", ["name"], [row])
    if read_cursor(connection, EVENTS_SINCE) is None:
        write_cursor(connection, EVENTS_SINCE, str(stripe_now), run_id)


def check_bindings(bound: Mapping[str, str], *, account: str | None, livemode: bool) -> None:
    """Raise BindingError where the warehouse belongs to another account or mode. `account` None: not known yet."""
    if account is not None and bound.get(ACCOUNT, account) != account:
        raise BindingError(
            f"The Stripe key belongs to account {account}, and this warehouse to {bound[ACCOUNT]}.",
            "Set STRIPE_API_KEY to a key of that account, or STRIPE_CIO_WAREHOUSE to another warehouse.",
        )
    mode = str(livemode).lower()
    if bound.get(LIVEMODE, mode) != mode:
        names = {"true": "live", "false": "test"}
        raise BindingError(
            f"The Stripe key is of {names[mode]} mode, and this warehouse belongs to {names[bound[LIVEMODE]]} mode.",
            "Set STRIPE_API_KEY to a key of that mode, or STRIPE_CIO_WAREHOUSE to another warehouse.",
        )


async def ask_account(transport: Transport) -> str:
    """Ask Stripe to which account the key belongs.

    A restricted key may lack the permission for that; then Stripe's refusal names the account. Raises StripeError.
    """
    try:
        answer = await transport.account()
    except StripePermissionError:
        if transport.named_account is None:
            raise
        return transport.named_account
    if isinstance(answer, Refusal):
        raise wrong_request(answer, "/v1/account")
    return str(answer.body["id"])
