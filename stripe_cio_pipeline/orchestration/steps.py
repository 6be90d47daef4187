"""What is around the body of every step: the pipeline is opened, and an error becomes a failure to act upon."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from stripe_cio_pipeline.deliver import raise_alerts
from stripe_cio_pipeline.errors import (
    CustomerioUnavailable,
    PipelineError,
    StripeUnavailable,
    WarehouseBusy,
    WarehouseLocked,
)
from stripe_cio_pipeline.orchestration.names import Names
from stripe_cio_pipeline.orchestration.pipeline import Opened, Pipeline
from stripe_cio_pipeline.orchestration.runs import Kind, finish_run

#: What may well be over in a minute. Everything else would fail in the same way again.
_PASSING = (StripeUnavailable, CustomerioUnavailable, WarehouseLocked, WarehouseBusy)

#: After about 1, 3 and 7 minutes. It is asked for by the step and not declared on it, because Dagster takes a declared
#: policy for interruptions too: a run that somebody stops would wait and begin again.
_RETRY = dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


@contextmanager
def a_step(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext,
    names: Names,
    kind: Kind = "sync",
    *,
    in_turn: bool = False,
) -> Iterator[Opened]:
    """Open the pipeline for one step of a run of this kind; `in_turn` takes the warehouse's turn, which the run keeps.

    Our errors become a failure that says what happened and what to do, tried again only where that may help.
    """
    pipeline: Pipeline = getattr(context.resources, names.resource)
    opened: Opened | None = None
    try:
        opened = pipeline.open()
        if in_turn:
            opened.turn.take()
        yield opened
    except PipelineError as error:
        attempt = context.retry_number + 1
        again = (
            isinstance(error, _PASSING)
            and not (opened is not None and opened.attended)
            and attempt <= _RETRY.max_retries
        )
        if opened is not None:
            opened.on_error(error)
            if not again:
                note_end(opened, context.run.run_id, kind, type(error).__name__, error)
        failure = dg.Failure(
            description=str(error),
            metadata={"what happened": error.what, "what to do": error.advice or "Run it again."},
            allow_retries=False,
        )
        if again:
            if opened is not None:
                # Nobody is to wait for a step that waits itself.
                opened.turn.give_back()
            raise dg.RetryRequested(_RETRY.max_retries, _RETRY.calculate_delay(attempt)) from failure
        raise failure from error
    except (KeyboardInterrupt, DagsterExecutionInterruptedError):
        if opened is not None:
            # Dagster ends the run as failed; whoever pressed Ctrl-C is to see that it was this.
            opened.on_error(KeyboardInterrupt())
        raise
    except Exception as error:
        if opened is not None:
            opened.on_error(error)
            note_end(opened, context.run.run_id, kind, type(error).__name__, error)
        # A defect: the same again in a minute. Its words may hold a payload, so only its kind is told here.
        raise dg.Failure(
            description=f"Something unexpected happened: {type(error).__name__}.", allow_retries=False
        ) from error


def note_end(opened: Opened, run_id: str, kind: Kind, outcome: str, error: Exception) -> None:
    """Note in the warehouse that a run has failed, and tell whoever wants to hear of it."""
    if not opened.warehouse.exists:
        return
    # The first error is the one to tell, also where the warehouse is what cannot be used.
    with suppress(PipelineError):
        what = error.what if isinstance(error, PipelineError) else type(error).__name__
        finish_run(opened.warehouse, run_id, kind, outcome, {"what": what})
        if kind == "sync":
            raise_alerts(opened.warehouse, opened.settings, opened.policy, run_id=run_id, error=error)
