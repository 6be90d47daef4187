"""The proxies that deploy/proxy sets up: they pass an event on as it came, and lead to nothing else.

Each is tried where it is installed (apt-get install nginx-light caddy), before a door that is open.
"""

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import typer

from stripe_cio_pipeline.cli.app import app
from stripe_cio_pipeline.listening.door import ARRIVAL_SECONDS, MOST_BODY_BYTES, PATH
from tests.listening.doors import OpenDoor, body_of, event, open_door, sign

ROOT = Path(__file__).parents[2]
FILES = {"nginx": ROOT / "deploy" / "proxy" / "nginx.conf", "caddy": ROOT / "deploy" / "proxy" / "Caddyfile"}
#: JSON that any change of its bytes would spoil: line ends, tabs, spaces, signs of many bytes, and what may look like a
#: variable, a tag or an address.
ODD = (
    b'\r\n{"id": "evt_odd",\t"object" :"event","created":1790000001 ,\r\n "livemode":false,"type":"customer.created",'
    b'"api_version":"2026-10-28.endive","account":"acct_ours","data":{"object":{"id":"cus_odd","object":"customer",\n\n'
    b'"name":"'
    + "Zo\u00eb \u202e \u4e2d\u6587 \U0001f389 e\u0301".encode()
    + b' \\u00e9\\/ %00 %2f +&=;<!-- --> $host ${x} {http.request.uri}"}}}\r\n \t '
)
#: Ways to write an address that is not the one, or leads out of it.
ELSEWHERE = (
    "/",
    "/metrics",
    "/health",
    "//metrics",
    "/metrics/",
    "/stripe",
    "/stripe/webhook/",
    "/stripe/webhook/../../metrics",
    "/stripe/webhook%2f..%2f..%2fmetrics",
    "/stripe/webhook/%2e%2e/%2e%2e/health",
    "/./metrics",
    "/metrics?/stripe/webhook",
    "/metrics%3f/stripe/webhook",
    "/metrics#/stripe/webhook",
    "http://localhost/metrics",
)


#: For a status, where a proxy ends the connection instead of answering.
CUT_OFF = 0


@dataclass
class Proxy:
    """A proxy that runs before a door, reached over TLS."""

    door: OpenDoor
    port: int
    trusted: ssl.SSLContext

    def post(self, body: bytes, *, in_pieces: bool = False, path: str = PATH, signed: bytes | None = None) -> int:
        """Send a body with its signature, as Stripe does, and give the status of the answer."""
        pieces = (body[begin : begin + 30_000] for begin in range(0, len(body), 30_000))
        signature = sign(body if signed is None else signed).decode()
        with httpx.Client(verify=self.trusted, trust_env=False, timeout=30) as client:
            try:
                return client.post(
                    f"https://localhost:{self.port}{path}",
                    content=pieces if in_pieces else body,
                    headers={"Stripe-Signature": signature, "Content-Type": "application/json; charset=utf-8"},
                ).status_code
            except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
                return CUT_OFF

    def get(self, target: str) -> tuple[int, bytes]:
        """Ask for an address exactly as it is written here."""
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=30) as plain,
            self.trusted.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while part := connection.recv(65_536):
                answer += part
        return int(answer.split()[1]), answer.partition(b"\r\n\r\n")[2]


@pytest.fixture(scope="module", params=sorted(FILES))
def proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """One of the proxies with its file from deploy/proxy: only the name, the certificate and the ports are others."""
    name: str = request.param
    program = shutil.which(name)
    if program is None or shutil.which("openssl") is None:
        pytest.skip(f"{name} or openssl is not installed here")
    folder = tmp_path_factory.mktemp(name)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with open_door(folder) as door:
        text = with_other(FILES[name].read_text(encoding="utf-8"), {"127.0.0.1:8787": f"127.0.0.1:{door.port}"})
        command = (nginx if name == "nginx" else caddy)(program, text, folder, port, certificate, key)
        environment = {**os.environ, "HOME": str(folder)}
        with (
            (folder / "said").open("wb") as said,
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=environment) as process,
        ):
            try:
                answers(port, process, folder / "said")
                yield Proxy(door, port, ssl.create_default_context(cafile=str(certificate)))
            finally:
                process.terminate()


def with_other(text: str, others: dict[str, str]) -> str:
    for given, other in others.items():
        assert text.count(given) == 1, given
        text = text.replace(given, other)
    return text


def nginx(program: str, text: str, folder: Path, port: int, certificate: Path, key: Path) -> list[str]:
    site = with_other(
        text,
        {
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "server_name hooks.example.com;": "server_name localhost;",
            "/etc/letsencrypt/live/hooks.example.com/fullchain.pem": str(certificate),
            "/etc/letsencrypt/live/hooks.example.com/privkey.pem": str(key),
        },
    )
    (folder / "site.conf").write_text(site, encoding="utf-8")
    kept = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "\n".join(f"{each}_temp_path {folder}/{each};" for each in kept)
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {places}\ninclude {folder}/site.conf; }}\n"
    )
    return [program, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


def caddy(program: str, text: str, folder: Path, port: int, certificate: Path, key: Path) -> list[str]:
    others = {
        "\n{\n": f"\n{{\nadmin off\nauto_https disable_redirects\nskip_install_trust\nstorage file_system {folder}\n",
        "\nhooks.example.com {\n": f"\nhttps://localhost:{port} {{\nbind 127.0.0.1\ntls {certificate} {key}\n",
    }
    (folder / "Caddyfile").write_text(with_other(text, others), encoding="utf-8")
    return [program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def answers(port: int, process: "subprocess.Popen[bytes]", said: Path) -> None:
    """Wait until the proxy is there."""
    for _ in range(1_000):
        assert process.poll() is None, said.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(said.read_text())


def of_size(length: int, id_: str) -> bytes:
    """An event that is exactly so long."""
    body = ODD.replace(b"evt_odd", id_.encode())
    return body + b" " * (length - len(body))


in_pieces_or_whole = pytest.mark.parametrize("in_pieces", [False, True], ids=["whole", "in pieces"])


@in_pieces_or_whole
@pytest.mark.parametrize("length", [len(ODD), 100_001, MOST_BODY_BYTES])
def test_an_event_arrives_with_each_of_its_odd_bytes(proxy: Proxy, length: int, *, in_pieces: bool) -> None:
    body = of_size(length, f"evt_{length}{in_pieces}")
    assert proxy.post(body, in_pieces=in_pieces) == 200
    assert proxy.door.inbox.waiting(1_000)[-1].body == body


@in_pieces_or_whole
def test_two_mebibytes_are_refused_and_nothing_of_them_is_stored(proxy: Proxy, *, in_pieces: bool) -> None:
    # Caddy says 502 where what it passes on is refused half-way. Whatever it says, it is no 2xx.
    assert proxy.post(of_size(2 * 1024 * 1024, "evt_large"), in_pieces=in_pieces) in (413, 502, CUT_OFF)
    assert "evt_large" not in proxy.door.stored()
    assert proxy.post(body_of(event(413))) == 200, "and it goes on"


@pytest.mark.parametrize("target", ELSEWHERE)
def test_nothing_else_is_reached_from_outside_however_it_is_asked_for(proxy: Proxy, target: str) -> None:
    status, body = proxy.get(target)
    assert status in (400, 404)
    assert b"stripe_cio" not in body


def test_what_nobody_signed_is_refused_and_what_cannot_be_stored_is_asked_for_again(proxy: Proxy) -> None:
    assert proxy.post(body_of(event(400)), signed=b"{}") == 400
    assert proxy.post(body_of(event(404)), path="/stripe/webhooks") == 404
    proxy.door.door.closing = True
    try:
        assert proxy.post(body_of(event(503))) == 503
    finally:
        proxy.door.door.closing = False
    assert not {"evt_400", "evt_404", "evt_503"} & set(proxy.door.stored())


def text_of(name: str) -> str:
    """A file of a proxy without its comments."""
    return "\n".join(line for line in FILES[name].read_text(encoding="utf-8").splitlines() if line.lstrip()[:1] != "#")


def test_the_proxies_lead_to_the_one_address_that_is_listened_at_and_take_as_much() -> None:
    listen = typer.main.get_command(app).commands["listen"]  # type: ignore[attr-defined]
    (port,) = [parameter.default for parameter in listen.params if parameter.name == "port"]
    assert f"proxy_pass http://127.0.0.1:{port}{PATH};" in text_of("nginx")
    assert f"reverse_proxy 127.0.0.1:{port} {{" in text_of("caddy")
    assert re.findall(r"location (.*) \{", text_of("nginx")) == [f"= {PATH}", "/"]
    assert re.findall(r"handle (.*)\{", text_of("caddy")) == [f"{PATH} ", ""]
    assert MOST_BODY_BYTES == 1024 * 1024
    assert "client_max_body_size 1m;" in text_of("nginx")
    assert "max_size 1MiB" in text_of("caddy")
    # A proxy must not give up before the door does.
    for given in re.findall(
        r"(?:_body|_header|_body_timeout|_header_timeout) (\d+)s", text_of("nginx") + text_of("caddy")
    ):
        assert int(given) >= ARRIVAL_SECONDS


def test_the_page_quotes_what_the_files_say() -> None:
    page = (ROOT / "docs" / "real-time.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^    # (nginx|caddy)\n((?:    .*\n)+)", page, flags=re.MULTILINE)
    assert [name for name, _ in quoted] == ["nginx", "caddy"]
    for name, text in quoted:
        known = [line.strip() for line in text_of(name).splitlines()]
        assert [line for line in text.splitlines() if line.strip() not in known] == []
