"""Control requests under `/_sandbox/`: clock, faults, counters, switches, dump, save and load, acts.

They answer only to loopback and only with the token that is printed at start, in the header `Sandbox-Token`.
"""

import dataclasses
import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import orjson

from stripe_cio_pipeline.sandbox.clock import Clock
from stripe_cio_pipeline.sandbox.counters import Counters
from stripe_cio_pipeline.sandbox.faults import Fault, Faults
from stripe_cio_pipeline.sandbox.server import Receive, Scope, Send, read_body, respond

PREFIX = "/_sandbox/"
_LOOPBACK = {"127.0.0.1", "::1", "testclient"}
_FORGET_NOTHING = orjson.OPT_NON_STR_KEYS


class Side(Protocol):
    """What a server lets itself be controlled by: the Stripe account, the Customer.io workspace."""

    @property
    def counters(self) -> Counters:
        """What was asked and answered."""

    @property
    def faults(self) -> Faults:
        """What will go wrong."""

    @property
    def switches(self) -> Any:
        """A mutable dataclass: how the server behaves."""

    def dump(self) -> dict[str, Any]:
        """Return what a person wants to see of the present state, as JSON."""

    def save_state(self) -> dict[str, Any]:
        """Return the whole state as JSON, for `load_state`."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over a state that `save_state` returned."""

    def acts(self) -> Mapping[str, Callable[..., Any]]:
        """Return what can be done to the state by hand, by name: `update_customer` and so on."""


class RefusedError(Exception):
    """A control request that cannot be carried out; the message says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Control:
    """The ASGI application for everything under `/_sandbox/` of one server."""

    def __init__(self, side: Side, clock: Clock, token: str | None = None) -> None:
        self.side = side
        self.clock = clock
        self.token = token or secrets.token_urlsafe(24)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one control request."""
        try:
            self._admit(scope)
            body = await read_body(receive)
            arguments = orjson.loads(body) if body else {}
            answer = self._answer(scope["method"], scope["path"].removeprefix(PREFIX).strip("/"), arguments)
            await respond(send, 200, orjson.dumps(answer, default=_plain, option=_FORGET_NOTHING))
        except RefusedError as refused:
            await respond(send, refused.status, orjson.dumps({"error": str(refused)}))
        except orjson.JSONDecodeError:
            await respond(send, 400, orjson.dumps({"error": "the body must be JSON"}))
        except (ValueError, TypeError, KeyError, LookupError) as error:
            await respond(send, 400, orjson.dumps({"error": f"{type(error).__name__}: {error}"}))

    def _admit(self, scope: Scope) -> None:
        client = scope.get("client") or ("", 0)
        if client[0] not in _LOOPBACK:
            raise RefusedError(403, "control requests are answered on loopback only")
        given = dict(scope["headers"]).get(b"sandbox-token", b"")
        if not hmac.compare_digest(given, self.token.encode()):
            raise RefusedError(401, "send the token that was printed at start in the header Sandbox-Token")

    def _answer(self, method: str, path: str, arguments: Any) -> Any:
        if not isinstance(arguments, dict):
            raise RefusedError(400, "the body must be a JSON object")
        head, _, rest = path.partition("/")
        match method, head:
            case "GET", "":
                return self._contents()
            case (("GET" | "POST"), "clock"):
                return self._clock(arguments)
            case (("GET" | "POST" | "DELETE"), "faults"):
                return self._faults(method, arguments)
            case "GET", "counters":
                return self.side.counters.snapshot()
            case "DELETE", "counters":
                self.side.counters.reset()
                return self.side.counters.snapshot()
            case (("GET" | "POST"), "switches"):
                return self._switches(arguments)
            case "GET", "dump":
                return self.side.dump()
            case "GET", "state":
                return self.side.save_state()
            case "PUT", "state":
                self.side.load_state(arguments)
                return {"loaded": True}
            case "POST", "act" if rest:
                return self._act(rest, arguments)
        raise RefusedError(404, f"there is no {method} {PREFIX}{path}; GET {PREFIX} lists what there is")

    def _contents(self) -> dict[str, Any]:
        return {
            "GET clock": "the present moment and speed",
            "POST clock": 'one of {"advance": {"days": 1}}, {"to": 1700000000}, {"run": 1.0}, {"stop": true}',
            "GET faults, DELETE faults": "the plan of faults; clear it",
            "POST faults": 'a fault with "at": N, "next": N, "rate": 0.05 ("requests") or "for": SECONDS; "path"',
            "GET counters, DELETE counters": "requests by endpoint and status; back to zero",
            "GET switches, POST switches": "how the server behaves; change some of it",
            "GET dump": "the state in readable form",
            "GET state, PUT state": "the whole state, to save and to load again",
            "POST act/NAME": sorted(self.side.acts()),
        }

    def _clock(self, arguments: dict[str, Any]) -> dict[str, Any]:
        for order, value in arguments.items():
            match order:
                case "advance":
                    self.clock.advance(**value)
                case "to":
                    self.clock.move_to(float(value))
                case "run":
                    self.clock.run(float(value))
                case "stop":
                    self.clock.stop()
                case _:
                    raise RefusedError(400, f"unknown order to the clock: {order}; known: advance, to, run, stop")
        return {"now": self.clock.now(), "days_per_minute": self.clock.days_per_minute}

    def _faults(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        faults = self.side.faults
        if method == "DELETE":
            faults.clear()
        elif method == "POST":
            fault = Fault.from_json(arguments)
            match arguments:
                case {"at": number}:
                    faults.at(int(number), fault)
                case {"next": count}:
                    faults.next(fault, count=int(count))
                case {"rate": share}:
                    faults.rate(float(share), fault, path=arguments.get("path"), requests=arguments.get("requests"))
                case {"for": seconds}:
                    faults.during(float(seconds), fault, path=arguments.get("path"))
                case _:
                    when = '"at" (request number), "next" (how many), "rate" (share) or "for" (seconds)'
                    raise RefusedError(400, f"say when: {when}")
        return faults.snapshot()

    def _switches(self, arguments: dict[str, Any]) -> dict[str, Any]:
        switches = self.side.switches
        known = {field.name for field in dataclasses.fields(switches)}
        if unknown := sorted(set(arguments) - known):
            raise RefusedError(400, f"unknown switches: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        for name, value in arguments.items():
            setattr(switches, name, value)
        return {name: getattr(switches, name) for name in sorted(known)}

    def _act(self, name: str, arguments: dict[str, Any]) -> Any:
        act = self.side.acts().get(name)
        if act is None:
            raise RefusedError(404, f"unknown act {name}; known: {', '.join(sorted(self.side.acts()))}")
        return act(**arguments)


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    return repr(value)
