"""What is refused in the answer: every documented limit, at its boundary."""

import orjson
import pytest

from stripe_cio_pipeline.sandbox.customerio import CustomerioSwitches
from stripe_cio_pipeline.sandbox.customerio.validation import (
    Problem,
    RefusedRequestError,
    Validator,
    is_email,
    read_batch,
    read_entity,
)

GENTLE = CustomerioSwitches.gentle()


def problems(operation, **switches):
    chosen = CustomerioSwitches.gentle()
    for name, value in switches.items():
        setattr(chosen, name, value)
    return [(problem.reason, problem.field, problem.message) for problem in Validator(chosen).problems(operation)]


def person(**attributes):
    return {"type": "person", "action": "identify", "identifiers": {"id": "cus_1"}, "attributes": attributes}


def with_name(name):
    operation = person()
    operation["attributes"] = {name: 1}
    return operation


@pytest.mark.parametrize(
    "operation",
    [
        person(),
        person(plan="x" * 1000),
        person(plan="é" * 500),
        person(tags=["x" * 496, "y" * 497]),
        with_name("n" * 150),
        with_name("é" * 75),
        person(**{f"name_{number}": number for number in range(300)}),
        person(plan=None, seats="", email=None),
        {"type": "person", "action": "delete", "identifiers": {"email": "customer-1@example.com"}},
        {"type": "person", "action": "identify", "identifiers": {"cio_id": "a3000001"}},
        {"type": "person", "action": "identify", "identifiers": {"id": "x" * 150}, "timestamp": 1_700_000_000},
        {"type": "person", "action": "event", "identifiers": {"id": "cus_1"}, "name": "n" * 100},
        {"type": "person", "action": "event", "identifiers": {"id": "1"}, "name": "n", "attributes": {"a": "x" * 9000}},
        {"type": "person", "action": "merge", "primary": {"id": "1"}, "secondary": {"email": "a@example.com"}},
        {"type": "object", "action": "identify", "identifiers": {"object_type_id": "1", "object_id": "acme"}},
        {
            "type": "delivery",
            "action": "event",
            "name": "opened",
            "identifiers": {"id": "RPILAgUBcRhIBqSfeiIwdIYJKxTY"},
        },
    ],
)
def test_good_operations_pass(operation):
    assert problems(operation) == []


LONG_VALUE = "property value cannot be longer than 1000 bytes"


@pytest.mark.parametrize(
    ("operation", "field", "message"),
    [
        (person(plan="x" * 1001), "attributes.plan", LONG_VALUE),
        (person(plan="é" * 501), "attributes.plan", LONG_VALUE),
        (person(plan="\U0001f600" * 251), "attributes.plan", LONG_VALUE),
        (person(tags=["x" * 496, "y" * 498]), "attributes.tags", LONG_VALUE),
        (with_name("n" * 151), "attributes." + "n" * 50, "attribute name cannot be longer than 150 bytes"),
        (with_name("é" * 76), "attributes." + "é" * 50, "attribute name cannot be longer than 150 bytes"),
        (
            person(**{f"name_{number}": number for number in range(301)}),
            "attributes",
            "cannot identify more than 300 attributes in one request",
        ),
        (person(email=5), "attributes.email", "email attribute must be a string value"),
        (person(_update="yes"), "attributes._update", "_update must be a boolean"),
        (
            {"type": "person", "action": "identify", "identifiers": {"id": "x" * 151}},
            "identifiers.id",
            "id attribute cannot be longer than 150 bytes",
        ),
        (
            {"type": "person", "action": "identify", "identifiers": {"id": ""}},
            "identifiers.id",
            "id attribute cannot be an empty string",
        ),
        (
            {"type": "person", "action": "identify", "identifiers": {"id": 42}},
            "identifiers.id",
            "id attribute must be a string value",
        ),
        (
            {"type": "person", "action": "identify", "identifiers": {"id": None}},
            "identifiers.id",
            "id attribute must be present",
        ),
        (
            {"type": "person", "action": "identify", "identifiers": {"id": "1", "email": "a@example.com"}},
            "identifiers",
            "identifiers must have exactly one of id, email, cio_id",
        ),
        (
            {"type": "person", "action": "identify", "identifiers": {}},
            "identifiers",
            "identifiers must have exactly one of id, email, cio_id",
        ),
        (
            {"type": "person", "action": "identify", "identifiers": {"phone": "+15550100"}},
            "identifiers.phone",
            "phone is not an identifier of this workspace",
        ),
        ({"type": "person", "action": "identify"}, "identifiers", "identifiers is required"),
        ({"type": "person", "identifiers": {"id": "1"}}, "action", "action is required"),
        (
            {"type": "person", "action": "greet", "identifiers": {"id": "1"}},
            "action",
            "action is not known for type person",
        ),
        ({"action": "identify"}, "type", "type is required"),
        ({"type": "planet"}, "type", "type must be one of person, object, delivery"),
        ("identify", "", "operation must be an object"),
        (person() | {"attributes": []}, "attributes", "attributes must be an object"),
        (person() | {"timestamp": "now"}, "timestamp", "timestamp must be an integer of unix seconds"),
        (person() | {"timestamp": 1.5}, "timestamp", "timestamp must be an integer of unix seconds"),
        (
            {"type": "person", "action": "event", "identifiers": {"id": "1"}, "name": "  "},
            "name",
            "event name must not be blank",
        ),
        (
            {"type": "person", "action": "event", "identifiers": {"id": "1"}, "name": "é" * 51},
            "name",
            "event name cannot be longer than 100 bytes",
        ),
        (
            {"type": "person", "action": "event", "identifiers": {"id": "1"}, "name": "n" * 500},
            "name",
            "event name must be less than 500 characters",
        ),
        (
            {
                "type": "person",
                "action": "event",
                "identifiers": {"id": "1"},
                "name": "n",
                "attributes": {"text": "x" * 100_000},
            },
            "attributes",
            "event data cannot be longer than 100000 bytes",
        ),
        (
            {
                "type": "person",
                "action": "merge",
                "primary": {"id": "1", "email": "a@example.com"},
                "secondary": {"id": "2"},
            },
            "primary",
            "primary must have exactly one of id, email, cio_id",
        ),
        (
            {"type": "person", "action": "add_relationships", "identifiers": {"id": "1"}, "cio_relationships": {}},
            "cio_relationships",
            "cio_relationships must be an array",
        ),
        (
            {"type": "person", "action": "add_device", "identifiers": {"id": "1"}, "device": {"platform": "ios"}},
            "device.token",
            "device token is required",
        ),
        (
            {"type": "object", "action": "identify", "identifiers": {"object_id": "acme"}},
            "identifiers",
            "identifiers must have object_type_id and object_id, or cio_object_id",
        ),
    ],
)
def test_bad_operations_are_told_by_field_and_message(operation, field, message):
    assert [(found[1], found[2]) for found in problems(operation)] == [(field, message)]


def test_one_operation_may_have_several_problems():
    found = problems(person(plan="x" * 1001, note="y" * 1001, email=5))
    assert [field for _, field, _ in found] == ["attributes.plan", "attributes.note", "attributes.email"]


def test_phone_and_email_are_identifiers_only_where_the_workspace_has_enabled_them():
    phone = {"type": "person", "action": "identify", "identifiers": {"phone": "+15550100123"}}
    assert problems(phone, phone_identifiers=True) == []
    assert problems(phone, phone_identifiers=False) != []
    short = phone | {"identifiers": {"phone": "0155"}}
    assert problems(short, phone_identifiers=True, invalid_email="reject") != []
    email = {"type": "person", "action": "identify", "identifiers": {"email": "a@example.com"}}
    assert problems(email, email_identifiers=False) != []


def test_strict_emails_and_ulids_are_switches():
    email = {"type": "person", "action": "identify", "identifiers": {"email": "nobody"}}
    event = {"type": "person", "action": "event", "identifiers": {"id": "1"}, "name": "paid", "id": "evt_1"}
    assert problems(email) == problems(event) == []
    assert [found[1] for found in problems(email, invalid_email="reject")] == ["identifiers.email"]
    assert [found[1] for found in problems(event, invalid_ulid="reject")] == ["id"]


def sized(size, *, wide=0):
    """Give an operation whose JSON is `size` bytes; `wide` characters of it are escaped, six bytes each."""
    operation = {"type": "person", "action": "event", "identifiers": {"id": "1"}, "name": "n", "attributes": {"a": ""}}
    text = b"\\u00e9" * wide
    head, tail = orjson.dumps(operation)[:-3], b'"}}'
    body = head + text + b"x" * (size - len(head) - len(tail) - len(text)) + tail
    assert len(body) == size
    return body


def batch_of(*operations):
    return b'{"batch":[' + b",".join(operations) + b"]}"


def sizes_refused(body, switches=GENTLE):
    operations, sizes = read_batch(body, switches)
    validator = Validator(switches)
    return [index for index, pair in enumerate(zip(operations, sizes, strict=True)) if validator.problems(*pair)]


@pytest.mark.parametrize("wide", [0, 100])
def test_an_operation_may_be_thirty_two_thousand_bytes_as_sent_and_no_more(wide):
    body = batch_of(sized(32_000, wide=wide), sized(32_001, wide=wide), sized(500))
    assert sizes_refused(body) == [1]


def test_spaces_between_operations_do_not_count_for_any_of_them():
    body = b'{ "batch" : [ ' + sized(31_990) + b" " * 40_000 + b", " + sized(31_000) + b" ] }"
    assert sizes_refused(body) == []


def test_a_batch_may_be_half_a_million_bytes_and_no_more():
    fifteen = [sized(31_500) for _ in range(15)]
    rest = 500_000 - len(batch_of(*fifteen, b""))
    assert sizes_refused(batch_of(*fifteen, sized(rest))) == []
    with pytest.raises(RefusedRequestError) as refused:
        read_batch(batch_of(*fifteen, sized(rest + 1)), GENTLE)
    assert refused.value.problems == (Problem("invalid", "batch", "batch cannot be larger than 500000 bytes"),)


def test_an_entity_must_be_smaller_than_thirty_two_thousand_bytes():
    assert read_entity(sized(31_999), GENTLE)["name"] == "n"
    with pytest.raises(RefusedRequestError):
        read_entity(sized(32_000), GENTLE)


def test_a_kilobyte_of_1024_is_a_switch():
    larger = CustomerioSwitches.gentle()
    larger.kilobyte = 1024
    assert sizes_refused(batch_of(sized(32_001), sized(500)), larger) == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"batch":{}}', b'{"batch":null}', b'{"batch":[]}'])
def test_what_is_no_batch_is_refused_as_a_whole(body):
    with pytest.raises(RefusedRequestError):
        read_batch(body, GENTLE)


def test_a_limit_on_the_number_of_operations_is_a_switch():
    limited = CustomerioSwitches.gentle()
    limited.max_operations = 2
    assert len(read_batch(batch_of(sized(200), sized(200)), limited)[0]) == 2
    with pytest.raises(RefusedRequestError):
        read_batch(batch_of(sized(200), sized(200), sized(200)), limited)


@pytest.mark.parametrize(
    "address", ["a@example.com", "first.last+tag@mail.example.com", '"odd name"@example.com', "o'neil@example.com"]
)
def test_addresses_of_rfc_5322_are_emails(address):
    assert is_email(address)


@pytest.mark.parametrize(
    "address", ["", "a", "a@", "@b", "a b@example.com", "a@b@c", "a@example..com", ".a@example.com"]
)
def test_other_texts_are_no_emails(address):
    assert not is_email(address)
