"""Everything this package raises on purpose.

    PipelineError                     exit 1   something failed or was left undone
    ├── SettingsError                 exit 2   a setting is missing, malformed or unknown
    │   ├── PolicyError               exit 2   stripe_cio.yaml
    │   └── BindingError              exit 2   this warehouse belongs to another account or workspace
    ├── StripeError                   exit 1   Stripe did not give what was asked
    │   ├── StripeCredentialsError    exit 2   the key is refused
    │   ├── StripePermissionError     exit 2   the key lacks a permission
    │   ├── StripeRequestError        exit 1   Stripe calls our request wrong
    │   ├── StripeUnavailable         exit 1   no usable answer, after all retries
    │   └── ReadBudgetSpent           exit 1   the monthly reads are used up and policy says pause
    ├── CustomerioError               exit 1   Customer.io did not take what was sent
    │   ├── CustomerioCredentialsError exit 2  the credentials are refused
    │   ├── CustomerioRegionError     exit 2   the account lives in another region
    │   └── CustomerioUnavailable     exit 1   no usable answer, after all retries
    ├── WarehouseError                exit 1   the DuckDB warehouse cannot be used
    │   ├── WarehouseLocked           exit 1   another process holds it
    │   ├── WarehouseBusy             exit 1   another process is building, planning or delivering
    │   ├── WarehouseMissing          exit 1   nothing has been synced yet, or its file is gone
    │   ├── WarehouseFull             exit 1   its disk is full
    │   ├── WarehouseDamaged          exit 1   its file is damaged or not whole
    │   └── WarehouseVersionError     exit 2   it was written by a newer release
    ├── ModelError                    exit 2   a model's SQL is wrong: file, line, column
    └── GuardStop                     exit 3   the plan is larger than the guard lets through unapproved

A message says what happened, to what, and what to do. It never holds a key, an email or a payload.
"""

from typing import ClassVar

#: Where memory cannot be had, C and C++ say so in words of theirs, within errors of any kind: a text that cannot be
#: unpacked, a result that cannot be handed on, a thread that cannot be started.
NO_MEMORY = ("not enough memory", "annot allocate memory", "bad_alloc", "can't start new thread")
#: What to do about it.
MORE_MEMORY = "Close what else runs here, or give it more memory, and run it again."


class PipelineError(Exception):
    """Something failed. `str()` gives what happened, then the advice.

    `what` tells what happened and to what; `advice` tells what the user can do.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what, advice)
        self.what = what
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.what} {self.advice}".strip()


class SettingsError(PipelineError):
    """A setting is missing, malformed or unknown."""

    exit_code = 2


class PolicyError(SettingsError):
    """`stripe_cio.yaml` cannot be read or names a key that does not exist."""


class BindingError(SettingsError):
    """The key belongs to another account, mode or workspace than the warehouse."""


class StripeError(PipelineError):
    """Stripe did not give what was asked."""


class StripeCredentialsError(StripeError):
    """Stripe refuses the key (401)."""

    exit_code = 2


class StripePermissionError(StripeError):
    """The key lacks a permission (403)."""

    exit_code = 2


class StripeRequestError(StripeError):
    """Stripe calls the request wrong (400, 404): a defect here, or a version that is not known yet."""


class StripeUnavailable(StripeError):
    """No usable answer from Stripe after all retries."""


class ReadBudgetSpent(StripeError):
    """The month's read allocation is used up and `stripe.on_budget` is `pause`."""


class CustomerioError(PipelineError):
    """Customer.io did not take what was sent."""


class CustomerioCredentialsError(CustomerioError):
    """Customer.io refuses the credentials (401, 403)."""

    exit_code = 2


class CustomerioRegionError(CustomerioError):
    """Customer.io answers with a redirect: the account lives in another region."""

    exit_code = 2


class CustomerioUnavailable(CustomerioError):
    """No usable answer from Customer.io after all retries."""


class WarehouseError(PipelineError):
    """The warehouse cannot be used."""


class WarehouseLocked(WarehouseError):
    """Another process holds the warehouse longer than the stated wait."""


class WarehouseBusy(WarehouseError):
    """Another process has the turn longer than the stated wait: it is building, planning or delivering."""


class WarehouseMissing(WarehouseError):
    """There is no warehouse yet and the command only reads, or it was removed meanwhile."""


class WarehouseFull(WarehouseError):
    """The disk of the warehouse is full, or its quota is used up."""


class WarehouseDamaged(WarehouseError):
    """The warehouse's file is damaged or not whole."""


class WarehouseVersionError(WarehouseError):
    """The warehouse was written by a newer release of this package or of DuckDB."""

    exit_code = 2


class ModelError(PipelineError):
    """A model's SQL is wrong. The message names file, line and column."""

    exit_code = 2


class GuardStop(PipelineError):
    """The plan changes more than the guard lets through without approval."""

    exit_code = 3
