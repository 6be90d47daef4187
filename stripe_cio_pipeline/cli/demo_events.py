"""The demo's proof for events: what Stripe told since the first sync against the events in the sandbox's Customer.io.

Worked out anew, as the attributes are: the types, whose an event is, and its amount are written down here once more.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stripe_cio_pipeline.cli.demo_proof import Difference, Proof, persons, same
from stripe_cio_pipeline.cli.demo_stripe import Payload, Truth
from stripe_cio_pipeline.cli.demo_truth import major
from stripe_cio_pipeline.sandbox.customerio.events import Event
from stripe_cio_pipeline.sandbox.customerio.people import Person

#: What is forwarded where nobody says otherwise, each with a field of Stripe's and the one in Customer.io for it.
_FORWARDED: Mapping[str, tuple[str, str]] = {
    "customer.created": ("id", "id"),
    "invoice.upcoming": ("amount_due", "amount_due"),
    "invoice.payment_failed": ("amount_remaining", "amount_remaining"),
    "invoice.payment_action_required": ("amount_remaining", "amount_remaining"),
    "invoice.paid": ("amount_paid", "amount_paid"),
    "customer.subscription.created": ("status", "status"),
    "customer.subscription.updated": ("status", "status"),
    "customer.subscription.deleted": ("status", "status"),
    "customer.subscription.paused": ("status", "status"),
    "customer.subscription.resumed": ("status", "status"),
    "customer.subscription.trial_will_end": ("trial_end", "trial_ends_at"),
    "charge.refunded": ("amount_refunded", "amount_refunded"),
    "charge.dispute.created": ("amount", "amount"),
    "charge.dispute.closed": ("status", "status"),
    "checkout.session.completed": ("amount_total", "amount_total"),
}
_Key = tuple[int, str, int]


def prove_events(
    proof: Proof,
    truth: Truth,
    told: Iterable[Payload],
    people: Sequence[Person],
    found: Iterable[Event],
    *,
    held: Iterable[str],
    since: tuple[float, float],
) -> None:
    """Compare events one by one, by person, name and second, and note in the proof what was compared and what differs.

    `told` are all of Stripe's events. `since` is before and after the first sync (unix seconds): what happened in
    between may be there or not. Events of people who are `held`, or whom nobody made, are not looked for.
    """
    groups = {id_: number for number, (_, customers) in enumerate(persons(truth)) for id_ in customers}
    group_of_person = {person.cio_id: groups[person.id] for person in people if person.id in groups}
    owners = {groups[person.id]: person.id for person in people if person.id in groups}
    left_alone = {groups[id_] for id_ in held if id_ in groups}
    expected: dict[_Key, list[Any]] = defaultdict(list)
    uncertain: set[_Key] = set()
    charges = {charge["id"]: customer for customer, many in truth.charges.items() for charge in many}
    for event in _once(told):
        customer = _whose(event, charges)
        if event["type"] not in _FORWARDED or event["created"] < since[0] or customer not in groups:
            continue
        key = (groups[customer], event["type"], event["created"])
        expected[key].append(_telling(event))
        if event["created"] <= since[1]:
            uncertain.add(key)
    has: dict[_Key, list[Any]] = defaultdict(list)
    for each in found:
        name = _FORWARDED.get(each.name)
        group = group_of_person.get(each.cio_id or "")
        if name is None or group is None:
            proof.differences.append(Difference(str(each.person_id), f"has the event {each.name}, which is nobody's"))
            continue
        has[group, each.name, each.timestamp].append(each.attributes.get(name[1]))
    for key in sorted({*expected, *has}):
        group, kind, at = key
        if key in uncertain or group in left_alone or group not in owners:
            continue
        wanted, sent = sorted(expected[key], key=str), sorted(has[key], key=str)
        proof.events += len(wanted)
        if len(wanted) != len(sent) or not all(map(same, wanted, sent)):
            proof.differences.append(Difference(str(owners[group]), f"event {kind} of {at}", wanted, sent))


def _once(told: Iterable[Payload]) -> Iterable[Payload]:
    """Give one event of those that tell of one change twice: all but their ids is the same."""
    known = set()
    for event in told:
        content = json.dumps([event["type"], event["created"], event["data"]], sort_keys=True)
        if content not in known:
            known.add(content)
            yield event


def _whose(event: Payload, charges: Mapping[str, str]) -> str | None:
    subject = event["data"]["object"]
    if subject["object"] == "customer":
        return str(subject["id"])
    return subject.get("customer") or charges.get(subject.get("charge") or "")


def _telling(event: Payload) -> Any:
    subject = event["data"]["object"]
    name = _FORWARDED[event["type"]][0]
    value = subject[name]
    return major(value, subject["currency"]) if name.startswith("amount") else value
