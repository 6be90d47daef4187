"""Secrets and addresses, from the environment or a `.env` file in the working directory.

Nothing here touches the network or the warehouse. A setting that is missing is reported when it is needed, so
that definitions load and reading commands work without any.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stripe_cio_pipeline.errors import SettingsError
from stripe_cio_pipeline.wording import in_words

STRIPE_API = "https://api.stripe.com"

#: The variables without which nothing can be synced. All others have a default.
NEEDED = ("STRIPE_API_KEY", "CUSTOMERIO_SITE_ID", "CUSTOMERIO_TRACK_API_KEY")

#: The restricted key's permissions that extraction needs, named as in the API and the dashboard's pre-fill link, each
#: with the row of the dashboard's form on which it is set to Read.
STRIPE_PERMISSIONS = {
    "rak_customer_read": "Customers",
    "rak_event_read": "Events",
    "rak_subscription_read": "Subscriptions",
    "rak_invoice_read": "Invoices",
    "rak_charge_read": "Charges and Refunds",
    "rak_payment_method_read": "Payment Methods",
    "rak_product_read": "Products",
    "rak_plan_read": "Prices",
    "rak_coupon_read": "Coupons",
    "rak_dispute_read": "Disputes",
    "rak_credit_note_read": "Credit notes",
}
#: Not needed: without it Stripe's refusal names the key's own account.
_ACCOUNT_PERMISSION = {"rak_accounts_kyc_basic_read": "Basic Business Contact Information"}


def permission_name(permission: str) -> str:
    """Name a permission as Stripe's dashboard does, and as its API does: `Customers: Read (rak_customer_read)`."""
    row = (STRIPE_PERMISSIONS | _ACCOUNT_PERMISSION).get(permission)
    return permission if row is None else f"{row}: Read ({permission})"


class Settings(BaseSettings):
    """The environment as this package reads it. Field names are the variables' names in lower case."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, frozen=True
    )

    stripe_api_key: SecretStr | None = Field(
        default=None, description="Stripe key: rk_... (advised, with read permissions only) or sk_..."
    )
    stripe_api_base: str = Field(default=STRIPE_API, description="address of the Stripe API")
    stripe_account: str | None = Field(
        default=None, description="connected account to read (sent as Stripe-Account); empty: the key's own"
    )
    stripe_webhook_secret: SecretStr | None = Field(
        default=None,
        description="signing secrets of the webhook endpoint, for stripe-cio listen: one, or several with commas "
        "between; read again from .env without a restart",
    )
    customerio_site_id: SecretStr | None = Field(
        default=None,
        description="Customer.io Track API: site id (Settings, Account settings, API credentials, Tracking API keys)",
    )
    customerio_track_api_key: SecretStr | None = Field(
        default=None, description="Customer.io Track API: key, beside the site id"
    )
    customerio_app_api_key: SecretStr | None = Field(
        default=None,
        description="Customer.io App API: bearer key; without it there is no verification",
    )
    customerio_region: Literal["us", "eu"] | None = Field(
        default=None, description="us or eu; empty: Customer.io is asked"
    )
    customerio_track_url: str | None = Field(
        default=None, description="address of the Track API; empty: that of the region"
    )
    customerio_app_url: str | None = Field(
        default=None, description="address of the App API; empty: that of the region"
    )
    alert_webhook: SecretStr | None = Field(
        default=None,
        validation_alias="STRIPE_CIO_ALERT_WEBHOOK",
        description="address that takes alerts as Slack-compatible JSON",
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        validation_alias="STRIPE_CIO_SMTP_URL",
        description="mail server for alerts, such as smtp://user:password@mail.example.com:587",
    )
    home: Path = Field(
        default=Path(".stripe_cio"),
        validation_alias="STRIPE_CIO_HOME",
        description="folder for everything that is written: warehouse, Dagster storage",
    )
    warehouse: str | None = Field(
        default=None,
        validation_alias="STRIPE_CIO_WAREHOUSE",
        description="path of the DuckDB file, on a local disk; empty: warehouse.duckdb in STRIPE_CIO_HOME",
    )
    config: Path | None = Field(
        default=None,
        validation_alias="STRIPE_CIO_CONFIG",
        description="policy file; empty: stripe_cio.yaml in the working directory, if there",
    )

    @field_validator("customerio_region", mode="before")
    @classmethod
    def _lower_region(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("stripe_api_base", "customerio_track_url", "customerio_app_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        return _address(value, ("http", "https"), "https://api.example.com").rstrip("/")

    @field_validator("stripe_api_base")
    @classmethod
    def _ends_before_the_version(cls, value: str) -> str:
        if value.endswith("/v1"):
            raise ValueError(f"must end before /v1, which is added to it: {STRIPE_API}")
        return value

    @field_validator("stripe_webhook_secret")
    @classmethod
    def _are_signing_secrets(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not all(part.startswith("whsec_") for part in split_secrets(value)):
            raise ValueError("must hold signing secrets, which begin with whsec_, with commas between")
        return value

    @field_validator("alert_webhook")
    @classmethod
    def _is_a_webhook(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _address(value.get_secret_value(), ("http", "https"), "https://hooks.example.com/services/…")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _is_a_mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _address(value.get_secret_value(), ("smtp", "smtps"), "smtp://user:password@mail.example.com:587")
        return value

    @property
    def warehouse_location(self) -> str:
        """The path of the DuckDB file."""
        return self.warehouse or str(self.home / "warehouse.duckdb")

    def require_stripe(self) -> str:
        """Give the Stripe key, or say which permissions a key needs. Raises SettingsError."""
        key = self.stripe_api_key.get_secret_value().strip() if self.stripe_api_key else ""
        if not key:
            raise SettingsError(
                "STRIPE_API_KEY is not set.",
                "Make a restricted key in the Stripe dashboard with these permissions and export it: "
                + ", ".join(permission_name(each) for each in STRIPE_PERMISSIONS)
                + ". (To try everything without an account: stripe-cio demo.)",
            )
        if not key.startswith(("rk_test_", "rk_live_", "sk_test_", "sk_live_", "rkcs_test_", "sk_org_")):
            raise SettingsError(
                "STRIPE_API_KEY does not look like a Stripe secret or restricted key.",
                "It must begin with rk_test_, rk_live_, sk_test_ or sk_live_; a publishable key (pk_) cannot read.",
            )
        return key

    def require_webhook_secrets(self) -> tuple[str, ...]:
        """Give the signing secrets of the webhook endpoint. Raises SettingsError."""
        secrets = split_secrets(self.stripe_webhook_secret)
        if not secrets:
            raise SettingsError(
                "STRIPE_WEBHOOK_SECRET is not set.",
                "Stripe's dashboard shows an endpoint's signing secret (whsec_...) under Developers, Webhooks; the "
                "CLI's stripe listen prints one of its own.",
            )
        return secrets

    def require_customerio(self) -> tuple[str, str]:
        """Give site id and Track API key. Raises SettingsError."""
        site = self.customerio_site_id.get_secret_value().strip() if self.customerio_site_id else ""
        key = self.customerio_track_api_key.get_secret_value().strip() if self.customerio_track_api_key else ""
        missing = [
            name for name, value in (("CUSTOMERIO_SITE_ID", site), ("CUSTOMERIO_TRACK_API_KEY", key)) if not value
        ]
        if missing:
            raise SettingsError(
                f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set.",
                "You find both in Customer.io under Settings, Account settings, API credentials, Tracking API keys.",
            )
        return site, key


def split_secrets(value: SecretStr | None) -> tuple[str, ...]:
    """Give the secrets of a setting that may hold several, with commas or space between."""
    return () if value is None else tuple(re.findall(r"[^\s,]+", value.get_secret_value()))


def _address(value: str, schemes: tuple[str, ...], example: str) -> str:
    """Give an address without space around it. Raises ValueError that does not repeat it: it may hold a password."""
    try:
        parts = urlsplit(value.strip())
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port that is no number
        usable = False
    if not usable or any(sign.isspace() for sign in value.strip()):
        raise ValueError(f"must be an address such as {example}")
    return value.strip()


#: Under which name each field is read. In capitals it is the variable.
READ_AS = {name: str(field.validation_alias or name) for name, field in Settings.model_fields.items()}

#: The fields that are never shown.
SECRETS = frozenset(name for name, field in Settings.model_fields.items() if SecretStr in get_args(field.annotation))


def load_settings(given: Mapping[str, str] | None = None) -> Settings:
    """Read the environment. Raises SettingsError that names the variable and never its value.

    `given` are values that count instead, by the names under which fields are read.
    """
    _refuse_proxies()
    values: dict[str, Any] = {**(given or {})}
    try:
        return Settings(**values)
    except ValidationError as invalid:
        raise unusable(invalid, "Correct it in the shell or in .env.") from None
    except (OSError, UnicodeDecodeError) as refused:
        # Its own words would quote a line of keys.
        why = f" ({refused.strerror})" if isinstance(refused, OSError) else ": it is not UTF-8 text"
        raise SettingsError(f".env in {Path.cwd()} cannot be read{why}.", "Write it again, or move it away.") from None


def unusable(invalid: ValidationError, advice: str, prefix: str = "") -> SettingsError:
    """Give the error of settings that are refused. It names variables, with their prefix, and never a value."""
    findings = "; ".join(
        f"{prefix}{'.'.join(str(part) for part in error['loc']).upper()}: {in_words(error['msg'])}"
        for error in invalid.errors()
    )
    return SettingsError(f"The environment cannot be used: {findings}.", advice)


def _refuse_proxies() -> None:
    """Refuse what would be no proxy to any client. The value is not shown: it may hold a password."""
    for scheme, named in getproxies_environment().items():
        if scheme not in ("http", "https", "all"):
            continue
        try:
            address = urlsplit(named if "://" in named else f"http://{named}")
            is_one = address.scheme in ("http", "https") and address.hostname is not None and address.port != 0
        except ValueError:  # a port that is no number, a bracket that does not close
            is_one = False
        if not is_one:
            raise SettingsError(
                f"{scheme.upper()}_PROXY is not the address of a proxy that can be used.",
                "Set it to http://HOST:PORT or https://HOST:PORT, or unset it.",
            )
