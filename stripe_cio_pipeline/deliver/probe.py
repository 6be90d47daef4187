"""`probe`: do the credentials work, and where does the account live? Nothing is written to Customer.io."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from stripe_cio_pipeline.deliver.app_reads import read_people
from stripe_cio_pipeline.deliver.client import Patience, app_api, track_api
from stripe_cio_pipeline.deliver.pace import Pace
from stripe_cio_pipeline.deliver.workspace import Workspace, find_workspace
from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.settings import Settings

#: An identifier that nobody has: asking for it proves the key.
_NOBODY = "stripe-cio-check"


@dataclass(frozen=True, slots=True)
class ProbeFinding:
    """One thing that was tried, what was found, and what to do where it failed. `skipped` is no failure."""

    subject: str
    state: Literal["ok", "failed", "skipped"]
    what: str
    advice: str = ""
    exit_code: int = 0


def probe(
    settings: Settings, *, now: Callable[[], float] = time.time, patience: Patience | None = None
) -> tuple[ProbeFinding, ...]:
    """Try the Track API's credentials and region, then the App API's key; one call each."""
    return asyncio.run(_probe(settings, patience or Patience(attempts=2, seconds=15.0), now))


async def _probe(settings: Settings, patience: Patience, now: Callable[[], float]) -> tuple[ProbeFinding, ...]:
    findings = []
    workspace: Workspace | None = None
    try:
        async with track_api(settings, pace=Pace(10), patience=patience, now=now) as track:
            workspace = await find_workspace(track, settings)
        where = f"accepted: workspace {workspace.environment_id}, region {workspace.region}"
        findings.append(ProbeFinding("Track API", "ok", where))
    except PipelineError as error:
        findings.append(ProbeFinding("Track API", "failed", error.what, error.advice, error.exit_code))
    if settings.customerio_app_api_key is None:
        advice = (
            "Set CUSTOMERIO_APP_API_KEY. Without it nobody looks whether a person was linked: an event for somebody "
            "whose link Customer.io refused or ignored makes a second person, and emails may be locked."
        )
        what = "no key: people count as linked once accepted and settled, and nothing is verified"
        findings.append(ProbeFinding("App API", "skipped", what, advice))
        return tuple(findings)
    try:
        region = workspace.region if workspace else None
        async with app_api(settings, region=region, patience=patience, now=now) as app:
            await read_people(app, "id", [_NOBODY])
        findings.append(ProbeFinding("App API", "ok", "accepted"))
    except PipelineError as error:
        findings.append(ProbeFinding("App API", "failed", error.what, error.advice, error.exit_code))
    return tuple(findings)
