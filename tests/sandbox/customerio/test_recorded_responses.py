"""Answers recorded from the live service: status, headers that matter, body."""

import json
from pathlib import Path

import pytest

RECORDED = Path(__file__).parent / "recorded"
MATTER = ("cache-control", "content-length", "content-type", "status", "transfer-encoding", "pragma", "expires")


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.json")), ids=lambda path: path.stem)
def test_the_sandbox_answers_as_the_live_service_did(served, path):
    recording = json.loads(path.read_text())
    (mock,) = recording["mocks"]
    call = recording["sdkCall"]
    client = served.track if mock["host"].startswith("track") else served.app
    body = None
    if call["method"] == "batch":
        body = {"batch": call["args"][0]}
    elif call["method"] in ("identify", "track"):
        body = call["args"][1]
    answer = client.request(mock["method"], mock["path"], json=body)
    assert answer.status_code == mock["status"]
    assert {name: answer.headers.get(name) for name in MATTER} == {name: mock["headers"].get(name) for name in MATTER}
    assert answer.json() == mock["body"]
    if "content-length" in mock["headers"]:
        assert len(answer.content) == int(mock["headers"]["content-length"])
        assert answer.content == b"{}\n"


def test_every_recording_is_replayed():
    assert len(list(RECORDED.glob("*.json"))) == 8
