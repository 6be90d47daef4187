"""What webhooks bring, minute by minute, in Dagster: observations of two assets, made by a sensor of their own.

`stripe-cio listen` is another process, and knows nothing of Dagster. It notes in its inbox what came and what was sent;
the sensor reads that, once a minute. An observation is no materialization, so that nothing looks fresh by it while runs
fail, and no run is started for it.
"""

import time

import dagster as dg

from stripe_cio_pipeline.errors import PipelineError
from stripe_cio_pipeline.listening.inbox import Contents, Inbox, Traffic
from stripe_cio_pipeline.orchestration.layout import Layout
from stripe_cio_pipeline.orchestration.pipeline import Pipeline
from stripe_cio_pipeline.outside import visible

_MINUTE = 60
#: After a pause of the daemon no more than this is told of at once.
_LONGEST_SECONDS = 86_400
#: Whoever writes into the inbox is waited for as long as this: a tick has a minute.
_PATIENCE_SECONDS = 1.0


def build_arrivals_sensor(layout: Layout) -> dg.SensorDefinition:
    """Build `webhooks`: a minute in which something came, was sent or waits is one observation of each asset.

    Of the people it is one only where something was sent.

    Its cursor is the minute up to which it has told.
    """
    resource = layout.names.resource
    arrived, sent = layout.names.asset("stripe", "events"), layout.names.asset("customerio", "people")

    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        pipeline: Pipeline = getattr(context.resources, resource)
        inbox = Inbox.under(pipeline.open().settings.home, patience=_PATIENCE_SECONDS)
        if not inbox.exists:
            return dg.SkipReason("Nothing has listened here: stripe-cio listen takes Stripe's webhooks.")
        until = int(time.time()) // _MINUTE * _MINUTE
        since = max(int(context.cursor or until - _MINUTE), until - _LONGEST_SECONDS)
        if since >= until:
            return dg.SkipReason("This minute is not over yet.")
        try:
            traffic, contents = inbox.traffic(since, until), inbox.look()
        except PipelineError as refused:
            return dg.SkipReason(visible(str(refused)))
        finally:
            inbox.close()
        if not (traffic.received or traffic.people or traffic.events or contents.waiting):
            return dg.SensorResult(skip_reason=dg.SkipReason("No webhook came, and none waits."), cursor=str(until))
        told = [dg.AssetObservation(arrived, metadata=_of_arrivals(traffic, contents, since, until))]
        if traffic.people or traffic.events:
            told.append(dg.AssetObservation(sent, metadata=_of_sending(traffic, since, until)))
        return dg.SensorResult(
            asset_events=told,
            # Dagster has no word for a tick that tells something and starts nothing.
            skip_reason=dg.SkipReason(
                f"{traffic.received} events received, {traffic.people} people and {traffic.events} events sent, "
                f"{contents.waiting} events waiting."
            ),
            cursor=str(until),
        )

    return dg.SensorDefinition(
        name=layout.names.act("webhooks"),
        evaluation_fn=look,
        minimum_interval_seconds=_MINUTE,
        description="Notes once a minute what webhooks have brought and what was sent of it (stripe-cio listen). It "
        "starts no run.",
        default_status=dg.DefaultSensorStatus.RUNNING if layout.running else dg.DefaultSensorStatus.STOPPED,
        required_resource_keys={resource},
    )


def _of_arrivals(traffic: Traffic, contents: Contents, since: int, until: int) -> dict[str, dg.MetadataValue]:
    oldest = 0.0 if contents.oldest_at is None else max(0.0, time.time() - contents.oldest_at)
    return {
        **_span(since, until),
        "Events received": dg.MetadataValue.int(traffic.received),
        "Of another account or mode": dg.MetadataValue.int(traffic.elsewhere),
        "Events waiting": dg.MetadataValue.int(contents.waiting),
        "Oldest waiting (seconds)": dg.MetadataValue.float(round(oldest, 1)),
    }


def _of_sending(traffic: Traffic, since: int, until: int) -> dict[str, dg.MetadataValue]:
    lags = {"Lag p50 (seconds)": traffic.lag(0.5), "Lag p95 (seconds)": traffic.lag(0.95)}
    return {
        **_span(since, until),
        "People sent": dg.MetadataValue.int(traffic.people),
        "Events sent": dg.MetadataValue.int(traffic.events),
        # From an event at Stripe to what followed from it in Customer.io. Nothing was sent on: nothing to tell.
        **{name: dg.MetadataValue.float(round(lag, 1)) for name, lag in lags.items() if lag is not None},
    }


def _span(since: int, until: int) -> dict[str, dg.MetadataValue]:
    return {"From": dg.MetadataValue.timestamp(float(since)), "To": dg.MetadataValue.timestamp(float(until))}
