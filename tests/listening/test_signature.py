"""Signatures: what Stripe's own package makes is believed, and nothing that differs from it in anything."""

import time

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st

from stripe_cio_pipeline.listening.signature import TOLERANCE_SECONDS, Forged, Keyring, read_header, verify
from tests.listening.doors import sign

NOW = 1_790_000_000.0
SECRETS = ("whsec_one", "whsec_two")
bodies = st.binary(max_size=200)


def believed(body: bytes, header: bytes, now: float = NOW, secrets: tuple[str, ...] = SECRETS) -> bool:
    try:
        moment, signatures = read_header(header, now)
        verify(body, moment, signatures, secrets)
    except Forged:
        return False
    return True


@given(body=st.text(max_size=200), secret=st.sampled_from(SECRETS))
def test_what_stripes_package_signs_is_believed(body: str, secret: str) -> None:
    signature = stripe.WebhookSignature._compute_signature(f"{NOW:.0f}.{body}", secret)
    assert believed(body.encode(), f"t={NOW:.0f},v1={signature},v0=x".encode())


@given(body=bodies, other=bodies)
def test_another_body_is_not(body: bytes, other: bytes) -> None:
    assert believed(other, sign(body, SECRETS[0], moment=int(NOW))) is (body == other)


@settings(max_examples=300)
@given(body=bodies, data=st.data())
def test_a_header_that_differs_in_one_byte_is_not(body: bytes, data: st.DataObject) -> None:
    header = sign(body, SECRETS[0], moment=int(NOW))
    at = data.draw(st.integers(0, len(header) - 1))
    byte = data.draw(st.integers(0, 255))
    changed = header[:at] + bytes([byte]) + header[at + 1 :]
    # A space before a name, or the comma doubled as such, would be the same header; nothing else may be.
    assert changed == header or not believed(body, changed)


@given(header=st.binary(max_size=300))
def test_no_header_raises_anything_else(header: bytes) -> None:
    assert not believed(b"{}", header)


@pytest.mark.parametrize("offset", [-TOLERANCE_SECONDS, 0, TOLERANCE_SECONDS])
def test_five_minutes_either_way_are_believed(offset: int) -> None:
    assert believed(b"{}", sign(b"{}", SECRETS[1], moment=int(NOW) + offset))


@pytest.mark.parametrize("offset", [-TOLERANCE_SECONDS - 1, TOLERANCE_SECONDS + 1, -(10**6)])
def test_a_second_more_is_not(offset: int) -> None:
    assert not believed(b"{}", sign(b"{}", SECRETS[1], moment=int(NOW) + offset))


def test_any_secret_and_any_signature_will_do() -> None:
    header = sign(b"{}", "whsec_unknown", SECRETS[1], moment=int(NOW))
    assert believed(b"{}", header)
    assert not believed(b"{}", header, secrets=(SECRETS[0],))
    assert not believed(b"{}", header, secrets=())


def test_secrets_are_read_again_when_what_they_stand_in_has_changed() -> None:
    times = iter([0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    now = [0.0]
    stands, looks = [["whsec_a"]], []

    def read() -> list[str]:
        looks.append(1)
        return stands[-1]

    ring = Keyring(read, lambda: len(stands), clock=lambda: now[0])
    stands.append(["whsec_a", "whsec_b"])
    assert ring.secrets == ("whsec_a",), "not looked at within a second"
    now[0] = next(times) + 1.5
    assert ring.secrets == ("whsec_a", "whsec_b")
    now[0] += 2
    assert ring.secrets == ("whsec_a", "whsec_b")
    assert len(looks) == 2, "what has not changed is not read"
    stands.append([])
    now[0] += 2
    assert ring.secrets == ("whsec_a", "whsec_b"), "a place that cannot be read closes no door"


def test_the_clock_of_this_machine_is_what_counts() -> None:
    assert believed(b"{}", sign(b"{}", SECRETS[0]), now=time.time())
