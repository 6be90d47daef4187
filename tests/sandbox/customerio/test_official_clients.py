"""The clients that people really use, pointed at the sandbox."""

import asyncio

import pytest
from async_customerio import AsyncAPIClient, AsyncCustomerIO
from async_customerio.errors import AsyncCustomerIOError, AsyncCustomerIORetryableError
from customerio import CustomerIO, CustomerIOException

from stripe_cio_pipeline.sandbox import Fault

ULID = "01HQ3V6T7YJ8K9M0N1P2Q3R4S5"


class LocalCustomerIO(CustomerIO):
    """The official client over plain HTTP: it writes https:// into both of its addresses."""

    def setup_base_url(self):
        self.base_url = f"http://{self.host}:{self.port}/api/v1"

    def batch(self, operations):
        url = f"http://{self.host}:{self.port}/api/v2/batch"
        return self.send_request("POST", url, {"batch": operations})

    def _build_session(self):
        session = super()._build_session()
        session.mount("http://", session.get_adapter("https://x"))
        return session


@pytest.fixture
def official(served):
    with LocalCustomerIO("sandbox-site", "sandbox-track", host="127.0.0.1", port=served.port) as client:
        yield client


def test_the_official_client_does_everything_it_can(official, workspace):
    official.identify(id="cus_1", email="customer-1@example.com", plan="pro")
    official.track(customer_id="cus_1", name="paid", data={"amount": 5}, id=ULID, timestamp=1_800_000_000)
    official.track(customer_id="cus_1", name="paid", data={"amount": 5}, id=ULID, timestamp=1_800_000_000)
    official.pageview(customer_id="cus_1", page="https://example.com/")
    official.backfill("cus_1", "signed_up", 1_700_000_000)
    official.track_anonymous("somebody", "visited")
    official.add_device("cus_1", "token", "ios")
    person = workspace.person(email="customer-1@example.com")
    assert (person.id, person.attributes["plan"], len(person.devices)) == ("cus_1", "pro", 1)
    assert [event.name for event in workspace.events()] == [
        "paid",
        "https://example.com/",
        "signed_up",
        "visited",
    ]
    assert [(mail.event.name, mail.times) for mail in workspace.mails()] == [("paid", 1)]
    official.delete_device("cus_1", "token")
    official.identify(id="lead@example.com", source="fair")
    official.merge_customers("id", "cus_1", "email", "lead@example.com")
    assert workspace.person(id="cus_1").attributes["source"] == "fair"
    official.suppress("cus_1")
    official.identify(id="cus_1")
    assert workspace.people() == []
    official.unsuppress("cus_1")
    official.identify(id="cus_1")
    official.delete("cus_1")
    assert workspace.people() == []


def test_the_official_client_takes_a_207_for_success(official, identify):
    answer = official.batch([identify(id="cus_1"), identify(id="")])
    assert answer.status_code == 207
    assert [error["batch_index"] for error in answer.json()["errors"]] == [1]


def test_the_official_client_raises_what_is_refused(official, served):
    with pytest.raises(CustomerIOException, match="event name cannot be longer than 100 bytes"):
        official.track(customer_id="cus_1", name="n" * 101)
    stranger = LocalCustomerIO("sandbox-site", "wrong", host="127.0.0.1", port=served.port)
    with stranger, pytest.raises(CustomerIOException, match="401"):
        stranger.identify(id="cus_1")


def test_the_official_client_retries_a_503_and_doubles_an_event_without_an_id(official, workspace):
    workspace.faults.next(Fault.reset_after())
    official.track(customer_id="cus_1", name="paid", timestamp=1_800_000_000)
    workspace.faults.next(Fault.error(503))
    official.track(customer_id="cus_1", name="left", timestamp=1_800_000_000)
    assert {mail.event.name: mail.times for mail in workspace.mails()} == {"paid": 2, "left": 1}


@pytest.fixture
def local_async_client(served, monkeypatch):
    monkeypatch.setattr(
        AsyncCustomerIO,
        "setup_base_url",
        staticmethod(lambda host, port, prefix: f"http://{host}:{port}/{prefix.strip('/')}"),
    )
    return lambda key="sandbox-track": AsyncCustomerIO("sandbox-site", key, host="127.0.0.1", port=served.port)


def test_the_async_client_speaks_v2(local_async_client, workspace, identify):
    async def talk():
        async with local_async_client() as client:
            one, other = {"id": "cus_1"}, {"email": "lead@example.com"}
            await client.v2.identify_person(one, plan="pro")
            await client.v2.identify_person(other, source="fair")
            await client.v2.track_person_event(one, "paid", amount=5)
            await client.v2.person_pageview(one, "https://example.com/")
            await client.v2.add_person_device(one, "token", "ios")
            acme = [{"identifiers": {"object_type_id": "1", "object_id": "acme"}}]
            await client.v2.add_person_relationships(one, acme)
            await client.v2.merge_persons(one, other)
            answer = await client.v2.send_batch([identify(id="cus_2"), identify(id="cus_3", plan="x" * 1001)])
            await client.v2.suppress_person({"id": "cus_2"})
            return answer

    answer = asyncio.run(talk())
    assert [error["batch_index"] for error in answer["errors"]] == [1]
    (person,) = workspace.people()
    assert (person.id, person.email) == ("cus_1", "lead@example.com")
    assert (person.attributes["plan"], person.attributes["source"]) == ("pro", "fair")
    assert (len(person.devices), len(person.relationships), len(workspace.events())) == (1, 1, 2)


def test_the_async_client_speaks_v1_and_asks_the_region(local_async_client, workspace):
    async def talk():
        async with local_async_client() as client:
            await client.identify("cus_1", email="customer-1@example.com", plan="pro")
            await client.track("cus_1", "paid", amount=5)
            return await client.get_region()

    assert asyncio.run(talk())["region"] == "us"
    assert workspace.person(id="cus_1").email == "customer-1@example.com"
    assert workspace.events()[0].name == "paid"


def test_the_async_client_reads_through_the_app_api(served, workspace):
    workspace.add_person(id="cus_1", email="customer-1@example.com", attributes={"seats": 3})

    async def talk():
        async with AsyncAPIClient(key="sandbox-app", url=served.url) as client:
            found = await client.customers.get_by_email("customer-1@example.com")
            read = await client.customers.get_attributes("cus_1")
            condition = {"attribute": {"field": "seats", "operator": "eq", "value": "3"}}
            searched = await client.customers.search(condition, limit=10)
            many = await client.customers.get_by_ids(["cus_1", "cus_2"])
            return found, read, searched, many

    found, read, searched, many = asyncio.run(talk())
    assert found["results"][0]["id"] == "cus_1"
    assert read["customer"]["attributes"]["seats"] == "3"
    assert searched["ids"] == ["cus_1"]
    assert [entry["customer"]["id"] for entry in many["customers"]] == ["cus_1"]


def test_the_async_client_raises_what_is_refused_and_what_may_be_retried(local_async_client, workspace, identify):
    async def send(key="sandbox-track", operation=None):
        async with local_async_client(key) as client:
            await client.v2.send_entity(operation or identify(id="cus_1"))

    with pytest.raises(AsyncCustomerIOError, match="401"):
        asyncio.run(send(key="wrong"))
    with pytest.raises(AsyncCustomerIOError, match="cannot be an empty string"):
        asyncio.run(send(operation=identify(id="")))
    for fault in (Fault.rate_limited(), Fault.error(503), Fault.reset_before()):
        workspace.faults.next(fault)
        with pytest.raises(AsyncCustomerIORetryableError):
            asyncio.run(send())
