"""Whatever is sent is accepted or refused: nothing breaks the server, now or when it is applied."""

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.sandbox import Clock
from stripe_cio_pipeline.sandbox.customerio import CustomerioSwitches, Workspace, app_api, track_v1, track_v2
from stripe_cio_pipeline.sandbox.customerio.answers import Request

ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
IDENTIFIER = st.sampled_from(["cus_1", "a@example.com", "", "cio_1", "é/ ?", 5, None]) | ODD
NAMES = ["id", "email", "phone", "cio_id", "anonymous_id", "_update", "_timestamp", "created_at", "plan"]
PREFERENCES = ["cio_subscription_preferences", "cio_subscription_preferences.", "cio_subscription_preferences.a.b"]
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES + PREFERENCES) | st.text(max_size=3), IDENTIFIER, max_size=4)
IDENTIFIERS = st.dictionaries(
    st.sampled_from(["id", "email", "cio_id", "phone", "object_id", "object_type_id", "cio_object_id"]),
    IDENTIFIER,
    max_size=2,
)
ACTIONS = st.sampled_from(
    [
        *("identify", "delete", "suppress", "unsuppress", "event", "page", "merge", "greet"),
        *("add_device", "delete_device", "add_relationships", "delete_relationships", "identify_anonymous"),
    ]
)
RELATED = st.lists(st.fixed_dictionaries({"identifiers": IDENTIFIERS}), max_size=2) | ODD
OPERATION = st.fixed_dictionaries(
    {"type": st.sampled_from(["person", "person", "object", "delivery", "x"]), "action": ACTIONS},
    optional={
        "identifiers": IDENTIFIERS | ODD,
        "primary": IDENTIFIERS,
        "secondary": IDENTIFIERS | ODD,
        "attributes": ATTRIBUTES | ODD,
        "timestamp": st.integers(0, 2**40) | ODD,
        "name": st.sampled_from(["paid", "opened", " "]) | ODD,
        "id": ODD,
        "device": st.fixed_dictionaries({"token": IDENTIFIER}, optional={"platform": ODD}) | ODD,
        "cio_relationships": RELATED,
    },
)
V1_BODY = st.dictionaries(
    st.sampled_from([*NAMES, "name", "data", "type", "timestamp", "device", "primary", "secondary"]),
    IDENTIFIER | IDENTIFIERS | ATTRIBUTES,
    max_size=4,
) | st.fixed_dictionaries({"cio_relationships": st.fixed_dictionaries({"relationships": RELATED}) | ODD})
V1_PATHS = st.sampled_from(
    [
        *(("PUT", "customers", one) for one in ("cus_1", "a@example.com", "cio_x", "", "@")),
        ("POST", "customers", "cus_1", "events"),
        ("POST", "events"),
        ("PUT", "customers", "cus_1", "devices"),
        ("DELETE", "customers", "", "devices", ""),
        ("POST", "customers", "@", "suppress"),
        ("POST", "merge_customers"),
    ]
)
APP_PATHS = st.sampled_from(
    [
        ("GET", "customers"),
        ("POST", "customers"),
        ("POST", "customers", "attributes"),
        ("GET", "customers", "cus_1", "attributes"),
        ("GET", "customers", "cus_1", "activities"),
        ("GET", "activities"),
        ("GET", ""),
    ]
)
QUERIES = st.dictionaries(
    st.sampled_from(["id_type", "limit", "start", "type", "name", "email"]),
    st.sampled_from(["id", "email", "phone", "cio_id", "5", "MDox", "é", "²", "a", ""]),
    max_size=3,
)


def new_workspace():
    return Workspace(CustomerioSwitches.gentle(), Clock(1_800_000_000), machine_time=lambda: 1_800_000_000.0)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(operations=st.lists(OPERATION | ODD, min_size=1, max_size=6), query=QUERIES)
def test_odd_operations_are_accepted_or_refused(operations, query):
    workspace = new_workspace()
    body = orjson.dumps({"batch": operations})
    assert track_v2.batch(workspace, Request("POST", (), {}, "", body)).status in (200, 207)
    for operation in operations:
        answer = track_v2.entity(workspace, Request("POST", (), {}, "", orjson.dumps(operation)))
        assert answer.status in (200, 400)
    for path in (("customers", "cus_1", "attributes"), ("customers", "cus_1", "activities"), ("activities",)):
        answer = app_api.handle(workspace, Request("GET", ("v1", *path), query, "", b""))
        assert answer.status in (200, 400, 404)
    workspace.mails()
    new_workspace().load_state(orjson.loads(orjson.dumps(workspace.save_state())))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(path=V1_PATHS, body=V1_BODY | ODD)
def test_odd_v1_calls_are_accepted_or_refused(path, body):
    workspace = new_workspace()
    request = Request(path[0], ("api", "v1", *path[1:]), {}, "", orjson.dumps(body))
    assert track_v1.handle(workspace, request).status in (200, 400)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(path=APP_PATHS, query=QUERIES, body=st.dictionaries(st.sampled_from(["filter", "ids"]), ODD) | ODD)
def test_odd_reads_are_answered(path, query, body):
    workspace = new_workspace()
    workspace.add_person(id="cus_1", email="a@example.com", attributes={"plan": {"deep": [1.5, None]}})
    request = Request(path[0], ("v1", *path[1:]), query, "", orjson.dumps(body))
    assert app_api.handle(workspace, request).status in (200, 400, 404)
