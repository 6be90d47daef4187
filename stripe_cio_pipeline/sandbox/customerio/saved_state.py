"""The whole state of a workspace as JSON, and back."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from stripe_cio_pipeline.sandbox.customerio.activities import Activity, ActivityLog
from stripe_cio_pipeline.sandbox.customerio.events import Event
from stripe_cio_pipeline.sandbox.customerio.objects import Thing
from stripe_cio_pipeline.sandbox.customerio.people import Profile
from stripe_cio_pipeline.sandbox.customerio.processing import Processor

FORMAT = 2


def save(processor: Processor) -> dict[str, Any]:
    """Write down everything that operations have changed."""
    return {
        "format": FORMAT,
        "people": [asdict(profile) for profile in processor.people],
        "activities": [asdict(line) for line in processor.activities.lines],
        "events": [asdict(event) for event in processor.events.events],
        "event_ids": sorted(processor.events.seen),
        "suppressed": sorted(sorted(together) for together in set(processor.suppressed.values())),
        "merged_into": dict(processor.merged_into),
        "objects": [asdict(thing) for thing in processor.object_rules.objects],
        "objects_made": processor.object_rules.objects.made,
        "anonymous_relationships": processor.object_rules.objects.anonymous,
        "people_made": processor.people.made,
    }


def load(processor: Processor, state: Mapping[str, Any]) -> None:
    """Fill an empty processor; raises ValueError for a state of another format."""
    if state.get("format") != FORMAT:
        raise ValueError(f"this state has format {state.get('format')!r}; this sandbox reads {FORMAT}")
    for profile in state["people"]:
        processor.people.put(Profile(**profile))
    processor.people.made = state["people_made"]
    processor.activities = ActivityLog(_line(line) for line in state["activities"])
    for event in state["events"]:
        processor.events.add(Event(**event))
    processor.events.seen = set(state["event_ids"])
    for saved in state["suppressed"]:
        together = frozenset((kind, value) for kind, value in saved)
        processor.suppressed |= dict.fromkeys(together, together)
    processor.merged_into = dict(state["merged_into"])
    objects = processor.object_rules.objects
    for thing in state["objects"]:
        objects.put(Thing(**thing))
    objects.made = state["objects_made"]
    objects.anonymous = dict(state["anonymous_relationships"])


def _line(saved: Mapping[str, Any]) -> Activity:
    """Read one line of the log; JSON knows no pairs, only lists."""
    line = Activity(**saved)
    if line.type != "attribute_change":
        return line
    return replace(line, raw={name: (old, new) for name, (old, new) in line.raw.items()})
