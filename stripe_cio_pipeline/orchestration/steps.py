"""What is around the body of every step: the pipeline is opened, and an error becomes a failure to act upon."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from stripe_cio_pipeline.errors import (
    CustomerioUnavailable,
    PipelineError,
    StripeUnavailable,
    WarehouseBusy,
    WarehouseLocked,
)
from stripe_cio_pipeline.orchestration.names import Names
from stripe_cio_pipeline.orchestration.pipeline import Pipeline
from stripe_cio_pipeline.outside import visible
from stripe_cio_pipeline.sync import Opened, noting_failure
from stripe_cio_pipeline.sync.runs import Kind
from stripe_cio_pipeline.warehouse import KEEPER

#: What may well be over in a minute. Everything else would fail in the same way again.
_PASSING = (StripeUnavailable, CustomerioUnavailable, WarehouseLocked, WarehouseBusy)

#: After about 1, 3 and 7 minutes. It is asked for by the step and not declared on it, because Dagster takes a declared
#: policy for interruptions too: a run that somebody stops would wait and begin again.
_RETRY = dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


@contextmanager
def a_step(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext,
    names: Names,
    kind: Kind = "sync",
    *,
    in_turn: bool = False,
) -> Iterator[Opened]:
    """Open the pipeline for one step of a run of this kind; `in_turn` takes the warehouse's turn, which the run keeps.

    Our errors become a failure that says what happened and what to do, tried again only where that may help.
    """
    pipeline: Pipeline = getattr(context.resources, names.resource)
    attempt = context.retry_number + 1
    opened: Opened | None = None

    def is_tried_again(error: PipelineError) -> bool:
        attended = opened is not None and opened.attended
        return isinstance(error, _PASSING) and not attended and attempt <= _RETRY.max_retries

    try:
        opened = pipeline.open()
        with (
            KEEPER.keeping(),
            noting_failure(opened, context.run.run_id, kind, in_turn=in_turn, is_tried_again=is_tried_again),
        ):
            yield opened
    except PipelineError as error:
        failure = dg.Failure(
            description=visible(str(error), lines=True),
            metadata={
                "What happened": visible(error.what, lines=True),
                "What to do": visible(error.advice, lines=True) or "Run it again.",
            },
            allow_retries=False,
        )
        if is_tried_again(error):
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
        # A defect: the same again in a minute. Its words may hold a payload, so only its kind is told here.
        raise dg.Failure(
            description=f"Something unexpected happened: {type(error).__name__}.", allow_retries=False
        ) from error
