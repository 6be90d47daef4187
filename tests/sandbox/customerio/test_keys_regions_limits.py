"""Who may ask, where, and how often."""

import base64

import httpx
import pytest
import requests

REGION = "/api/v1/accounts/region"


@pytest.mark.parametrize(
    "authorization",
    [None, "Basic " + base64.b64encode(b"sandbox-site:wrong").decode(), "Basic !!", "Bearer sandbox-track"],
)
def test_the_track_api_knows_its_basic_key_alone(served, workspace, identify, authorization):
    headers = {} if authorization is None else {"authorization": authorization}
    answer = httpx.post(served.url + "/api/v2/batch", headers=headers, json={"batch": [identify(id="cus_1")]})
    assert (answer.status_code, answer.content) == (401, b"")
    assert httpx.get(served.url + REGION, headers=headers).status_code == 401
    assert workspace.people() == []


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic sandbox-app"])
def test_the_app_api_knows_its_bearer_key_alone(served, authorization):
    headers = {} if authorization is None else {"authorization": authorization}
    answer = httpx.get(served.url + "/v1/activities", headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["status"]) == (401, "401")
    assert served.track.get("/v1/activities").status_code == 401


def test_an_acceptor_checks_the_key_too(served, workspace, identify):
    workspace.switches.acceptor_only = True
    assert httpx.post(served.url + "/api/v2/batch", json={"batch": [identify(id="1")]}).status_code == 401


def test_the_region_is_told_with_the_workspaces_number(served, workspace):
    assert served.track.get(REGION).json() == {
        "url": served.url,
        "region": "us",
        "environment_id": workspace.switches.environment_id,
    }


@pytest.fixture
def european(make, serve):
    return serve(make(region="eu", host_region="us"))


def test_the_region_is_answered_on_either_host(european):
    answer = european.track.get(REGION)
    assert answer.json() == european.track.get("/eu" + REGION).json()
    assert answer.json()["region"] == "eu"
    assert answer.json()["url"] == european.url + "/eu"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_european_account_is_led_home_from_the_us_host(european, identify, status):
    workspace = european.control.side
    workspace.switches.redirect_status = status
    answer = european.batch(identify(id="cus_1"))
    assert answer.status_code == status
    assert answer.headers["location"] == european.url + "/eu/api/v2/batch"
    assert workspace.people() == []
    assert european.track.post(answer.headers["location"], json={"batch": [identify(id="cus_1")]}).is_success
    assert len(workspace.people()) == 1


def test_a_client_that_follows_a_301_sends_a_get_and_delivers_nothing(european, identify):
    answer = requests.post(
        european.url + "/api/v2/batch",
        json={"batch": [identify(id="cus_1")]},
        auth=("sandbox-site", "sandbox-track"),
        timeout=10,
    )
    assert answer.request.method == "GET"
    assert answer.status_code == 404
    assert european.control.side.people() == []


def test_an_american_account_fails_on_the_european_host(make, serve, identify):
    served = serve(make(region="us", host_region="eu"))
    assert served.batch(identify(id="cus_1")).status_code == 401
    assert served.app.get("/v1/activities").status_code == 401
    assert served.track.get(REGION).json()["region"] == "us"


def test_the_app_api_grants_ten_requests_a_second(make, serve, machine):
    served = serve(make(app_requests_per_second=10.0))
    answers = [served.app.get("/v1/activities") for _ in range(12)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    assert answers[-1].headers["retry-after"] == "1"
    detail = answers[-1].json()["errors"][0]
    assert detail["status"] == "429"
    assert detail["detail"].startswith("rate limited to 10 requests per 1s")
    machine.now += 1
    assert [served.app.get("/v1/activities").status_code for _ in range(11)] == [200] * 10 + [429]


@pytest.mark.parametrize("retry_after", [None, 2])
def test_the_track_api_has_a_limit_of_its_own(make, serve, identify, retry_after):
    served = serve(make(requests_per_second=2.0, track_retry_after=retry_after))
    answers = [served.batch(identify(id="cus_1")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].headers.get("retry-after") == (None if retry_after is None else "2")
    assert served.app.get("/v1/activities").status_code == 200


def test_the_harsh_defaults_limit_both(make):
    switches = make(harsh=True).switches
    assert (switches.requests_per_second, switches.app_requests_per_second) == (1000, 10)
