"""Which Customer.io workspace the credentials open, and that it is the one this warehouse belongs to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from stripe_cio_pipeline.deliver.client import Api, unavailable
from stripe_cio_pipeline.deliver.outcome import Again, Stop, judge_read
from stripe_cio_pipeline.errors import BindingError, CustomerioError, CustomerioRegionError
from stripe_cio_pipeline.settings import Settings
from stripe_cio_pipeline.warehouse import Connection, Statements, Warehouse, replace, transaction

_SQL = Statements("stripe_cio_pipeline.deliver.sql")
REGION_PATH = "/api/v1/accounts/region"
ENVIRONMENT_BINDING = "customerio.environment_id"
REGION_BINDING = "customerio.region"


@dataclass(frozen=True, slots=True)
class Workspace:
    """`environment_id` is Customer.io's number of the workspace; `region` is `us` or `eu`."""

    environment_id: str
    region: str
    url: str


async def find_workspace(track: Api, settings: Settings) -> Workspace:
    """Ask `GET /api/v1/accounts/region`, which answers on either regional host.

    Raises CustomerioCredentialsError, CustomerioRegionError, CustomerioUnavailable.
    """
    answer, outcome = await track.call("GET", REGION_PATH, judge_read)
    if isinstance(outcome, Stop):
        raise outcome.error
    if isinstance(outcome, Again):
        raise unavailable(outcome, "the region look-up")
    body = orjson.loads(answer.content)
    region = str(body.get("region", "")).lower()
    if region not in ("us", "eu") or body.get("environment_id") is None:
        raise CustomerioError(
            "Customer.io's region look-up names no region and workspace.",
            "Look at CUSTOMERIO_TRACK_URL: it must be the Track API's address, without a path.",
        )
    if settings.customerio_region and settings.customerio_region != region:
        raise CustomerioRegionError(
            f"CUSTOMERIO_REGION is {settings.customerio_region}, but the account lives in {region}.",
            f"Set CUSTOMERIO_REGION={region}, or take it out: it is asked from Customer.io.",
        )
    return Workspace(str(body["environment_id"]), region, str(body.get("url") or ""))


def bind_workspace(warehouse: Warehouse, workspace: Workspace, now: Callable[[], float]) -> None:
    """Tie the warehouse to the workspace, once. Raises BindingError where it is tied to another one."""
    with warehouse.connect() as connection:
        known = read_bindings(connection)
        bound = known.get(ENVIRONMENT_BINDING)
        if bound == workspace.environment_id:
            return
        if bound is not None:
            raise BindingError(
                f"This warehouse belongs to Customer.io workspace {bound}, and the credentials are for workspace "
                f"{workspace.environment_id}.",
                "Set the credentials of that workspace, or begin a warehouse of its own with STRIPE_CIO_WAREHOUSE. "
                "Nothing was sent.",
            )
        moment = datetime.fromtimestamp(now(), UTC).replace(tzinfo=None)
        bindings = ((ENVIRONMENT_BINDING, workspace.environment_id), (REGION_BINDING, workspace.region))
        rows = [{"name": name, "value": value, "bound_at": moment} for name, value in bindings]
        with transaction(connection):
            replace(connection, "pipeline.bindings", ["name"], rows)


def read_bindings(connection: Connection) -> dict[str, str]:
    """Give what the warehouse is bound to on Customer.io's side."""
    return {str(name): str(value) for name, value in connection.execute(_SQL["read_bindings"]).fetchall()}
