"""The demo's proof: every person in the sandbox's Customer.io against what the sandbox's Stripe says, one by one."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from stripe_cio_pipeline.cli.demo_stripe import Truth
from stripe_cio_pipeline.cli.demo_truth import OneOf, expected_attributes
from stripe_cio_pipeline.sandbox.customerio.people import Person

_ADDRESS = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[a-z0-9](-*[a-z0-9])*(\.[a-z0-9](-*[a-z0-9])*)*"
)
_LONGEST_ADDRESS = 254


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as Stripe says. `person` is a Stripe customer id, or tells whom it concerns."""

    person: str
    what: str
    expected: Any = None
    found: Any = None


@dataclass(slots=True)
class Proof:
    """What was compared, and what differs."""

    people: int = 0
    values: int = 0
    events: int = 0
    linked_leads: int = 0
    leads_left_alone: int = 0
    held: dict[str, str] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether everything is as it should be."""
        return self.people > 0 and not self.differences


def address(email: str | None) -> str | None:
    """Bring an email into the form in which two are compared; None where it is no address."""
    key = (email or "").strip().lower()
    return key if len(key) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(key) else None


def prove(
    truth: Truth,
    people: Sequence[Person],
    *,
    leads: Collection[str],
    held: Mapping[str, str],
    ever: AbstractSet[str],
) -> Proof:
    """Compare everybody. Emails in `leads` stood in Customer.io before anything was synced, without an id.

    `held` gives a reason for each Stripe customer whose change the plan holds back: they are counted, not compared.
    `ever` are ids that Customer.io has known at some time: a customer who came and went unseen is nobody's person.
    """
    proof = Proof(held=dict(held))
    by_id: dict[str, list[Person]] = defaultdict(list)
    by_address: dict[str, list[Person]] = defaultdict(list)
    for person in people:
        if person.id is not None:
            by_id[person.id].append(person)
        if (key := address(person.email)) is not None:
            by_address[key].append(person)
    wanted = {address(lead) for lead in leads}
    accounted: set[str] = set()
    addresses: set[str] = set()
    for key, customers in persons(truth):
        accounted.update(customers)
        if key is not None:
            addresses.add(key)
        if not held.keys().isdisjoint(customers):
            continue
        if all(id_ in truth.deleted_at for id_ in customers) and ever.isdisjoint(customers):
            continue
        found = _the_one(proof, customers, key, by_id, by_address)
        if found is not None:
            proof.linked_leads += key in wanted
            _compare(proof, truth, customers, key, found)
    _look_at_the_rest(proof, people, accounted, addresses)
    return proof


def persons(truth: Truth) -> Iterable[tuple[str | None, list[str]]]:
    """Sort customers into people: those with one address are one; those without any are alone."""
    shared: dict[str, list[str]] = defaultdict(list)
    for id_, customer in sorted(truth.customers.items()):
        key = address(customer["email"])
        if key is None:
            yield None, [id_]
        else:
            shared[key].append(id_)
    yield from shared.items()


def _the_one(
    proof: Proof,
    customers: Sequence[str],
    key: str | None,
    by_id: Mapping[str, list[Person]],
    by_address: Mapping[str, list[Person]],
) -> Person | None:
    """Find the one person whom these customers are; more or none is a difference."""
    found = [person for id_ in customers for person in by_id.get(id_, ())]
    if not found:
        proof.differences.append(Difference(customers[0], "is not in Customer.io"))
        return None
    if len(found) > 1:
        proof.differences.append(
            Difference(customers[0], "is several people", 1, sorted(str(person.id) for person in found))
        )
        return None
    same_address = by_address.get(key, []) if key is not None else []
    if any(person is not found[0] for person in same_address):
        proof.differences.append(Difference(str(found[0].id), "has a lead with this email left behind"))
    return found[0]


def _compare(proof: Proof, truth: Truth, customers: Sequence[str], key: str | None, found: Person) -> None:
    owner = str(found.id)
    living = [id_ for id_ in customers if id_ not in truth.deleted_at]
    if living and owner not in living:
        proof.differences.append(Difference(owner, "is owned by a deleted customer", living, owner))
    proof.people += 1
    expected = expected_attributes(truth, customers, owner)
    if address(found.email) != key:
        proof.differences.append(Difference(owner, "email", _masked(key), _masked(found.email)))
    has = {**found.attributes, "phone": found.phone or found.attributes.get("phone")}
    for name, value in expected.items():
        proof.values += 1
        if not same(value, has.get(name)):
            first = value.values[0] if isinstance(value, OneOf) else value
            proof.differences.append(Difference(owner, name, first, has.get(name)))


def _look_at_the_rest(
    proof: Proof, people: Sequence[Person], accounted: Collection[str], addresses: Collection[str]
) -> None:
    for person in people:
        if person.id is not None and person.id not in accounted:
            proof.differences.append(Difference(person.id, "is in Customer.io and no Stripe customer"))
        if person.id is None and address(person.email) not in addresses:
            proof.leads_left_alone += 1
            if "stripe_customer_id" in person.attributes:
                proof.differences.append(Difference("a lead", "was written to and is no Stripe customer"))


def same(expected: object, found: object) -> bool:
    """Whether a value in Customer.io is the one that it should be."""
    if isinstance(expected, OneOf):
        return any(same(value, found) for value in expected.values)
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return abs(expected - found) < 1e-9 * max(1.0, abs(expected))
    if isinstance(expected, str):
        return expected.strip() == found
    return expected == found


def _masked(email: str | None) -> str | None:
    return None if email is None else f"{email[:1]}…@{email.rpartition('@')[2]}"
