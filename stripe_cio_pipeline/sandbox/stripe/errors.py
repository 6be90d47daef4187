"""What Stripe answers when it refuses, in its own words where a source has them (stripe-api.md, section 3)."""

from typing import Any

import orjson


class StripeError(Exception):
    """A refusal: an HTTP status and the body's `error` object."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str = "invalid_request_error",  # noqa: A002 - the API's own word
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self._error: dict[str, Any] = {"message": message, "type": type}
        if code is not None:
            self._error["code"] = code
            self._error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
        if param is not None:
            self._error["param"] = param

    def body(self, request_id: str, account: str, live: bool) -> bytes:
        """Return the JSON answer, with the address of the request's log as newer answers have it."""
        mode = "" if live else "/test"
        log = f"https://dashboard.stripe.com/{account}{mode}/workbench/logs?object={request_id}"
        error = dict(sorted({**self._error, "request_log_url": log}.items()))
        return orjson.dumps({"error": error})


def masked(key: str) -> str:
    """Return a key as Stripe shows it: the prefix and the last four characters."""
    head, _, secret = key.rpartition("_")
    return f"{head}_{'*' * 4}{secret[-4:]}" if head else "*" * 4


def no_key() -> StripeError:
    """Say that nothing was given to authenticate with."""
    return StripeError(
        401,
        "You did not provide an API key. You need to provide your API key in the Authorization header, using "
        "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
    )


def wrong_key(key: str) -> StripeError:
    """Say that the key is nobody's."""
    return StripeError(401, f"Invalid API Key provided: {masked(key)}")


def expired_key(key: str) -> StripeError:
    """Say that the key was rolled."""
    return StripeError(401, f"Expired API Key provided: {masked(key)}", code="api_key_expired")


def publishable_key() -> StripeError:
    """Say that a key for browsers was used to read."""
    return StripeError(
        401,
        "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a "
        "list of your API keys at https://dashboard.stripe.com/account/apikeys.",
        code="secret_key_required",
    )


def missing_permission(key: str, account: str, permission: str, *, newer: bool) -> StripeError:
    """Say that a restricted key lacks a permission; Stripe has two wordings."""
    if newer:
        words = permission.removeprefix("rak_").removesuffix("_read")
        title = {"plan": "Prices"}.get(words, words.replace("_", " ").title() + "s")
        message = (
            f"Permission denied. The provided key '{masked(key)}' does not have the required permissions for "
            f"this endpoint on account '{account}'. Enabling \"{title} Read\" "
            f"('{permission.removeprefix('rak_')}') permissions on this key would allow this request to continue."
        )
    else:
        message = (
            f"The provided key '{masked(key)}' does not have the required permissions for this endpoint on "
            f"account '{account}'. Having the '{permission}' permission would allow this request to continue."
        )
    return StripeError(403, message)


def foreign_account(key: str, account: str) -> StripeError:
    """Say that the `Stripe-Account` header names an account that the key cannot see."""
    return StripeError(
        403,
        f"The provided key '{masked(key)}' does not have access to account '{account}' (or that account does not "
        "exist). Application access may have been revoked.",
        code="account_invalid",
    )


def rate_limited(reason: str) -> StripeError:
    """Say that a limiter closed; `reason` goes into `Stripe-Rate-Limited-Reason`. There is no `Retry-After`."""
    return StripeError(
        429,
        "Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits.",
        code="rate_limit",
        headers={"Stripe-Rate-Limited-Reason": reason},
    )


def lock_timeout() -> StripeError:
    """Say that an object is locked, the other 429: no limiter's header."""
    return StripeError(
        429,
        "This object cannot be accessed right now because another API request or Stripe process is currently "
        "accessing it. If you see this error intermittently, retry the request. If you see this error "
        "frequently and are making multiple concurrent requests to a single object, make your requests "
        "serially or at a lower rate.",
        code="lock_timeout",
    )


def server_error(status: int) -> StripeError:
    """Say that something broke at Stripe's."""
    return StripeError(
        status,
        "An unknown error occurred. Please retry the request; if it keeps failing, contact support.",
        type="api_error",
    )


def missing(noun: str, id: str, param: str = "id") -> StripeError:  # noqa: A002
    """Say that there is no such object: 404 by id, 400 where it was a parameter."""
    return StripeError(404 if param == "id" else 400, f"No such {noun}: '{id}'", code="resource_missing", param=param)


def aged_event(id: str) -> StripeError:  # noqa: A002
    """Say that an event used as a cursor is older than the thirty days of retention."""
    return StripeError(
        400,
        f"The event '{id}' is no longer available because it's aged out of our retention policy.",
        param="starting_after",
    )


def unknown_parameter(name: str) -> StripeError:
    """Say that this endpoint has no such parameter."""
    return StripeError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def invalid(message: str, param: str, code: str | None = None) -> StripeError:
    """Say that a parameter's value does not do."""
    return StripeError(400, message, code=code, param=param)


def unknown_address(method: str, path: str) -> StripeError:
    """Say that there is no such endpoint."""
    return StripeError(
        404,
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at "
        "https://support.stripe.com/.",
    )
