"""Calls of the API that are made most: what they read, and what they ask the CA. Whoever receives them does the rest.

A call is a function of what was asked, and says what to ask the CA. It neither waits nor changes anything. So it may
run on the event loop (``server/api_calls.py``) as well as in a thread of Flask (``json_io.py``). This file has the
table of these calls, and how a request is read, for all others too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from werkzeug.http import parse_options_header

from sshjit import versions, wire
from sshjit.ca_protocol.table import Message, Reply
from sshjit.errors import Invalid
from sshjit_web.ca_client import Carried
from sshjit_web.security import MAX_BODY

T = TypeVar("T")
PREFIX = "/api/v1"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of the API."""

    header: Callable[[str], str | None]
    """All lines of a header, joined by commas."""
    data: Callable[[], bytes]
    """Its body; may raise what there is to say of one that is too large."""
    address: str
    """Where the caller is."""
    sign_in: Callable[[str | None], str]
    """The login behind a token, or an error (``Sessions.login_id``)."""

    def login_id(self) -> str:
        """The login behind the token. Whether it is alive, the CA says with the answer itself."""
        return self.sign_in(bearer_of(self.header("authorization")))

    def reader(self) -> int:
        """Which version the caller speaks."""
        return versions.parse(self.header(versions.HEADER.lower()))

    def body(self, cls: type[T]) -> T:
        """The request's body as a dataclass, strictly, with every text and list within its limit."""
        kind = self.header("content-type") or ""
        if kind != JSON and parse_options_header(kind)[0].lower() != JSON:
            raise Invalid("wrong_type", "the body must be application/json")
        return wire.decode_bounded(cls, wire.loads(self.data(), limit=MAX_BODY))

    def no_body(self) -> None:
        """Some calls carry nothing; an empty object is nothing too."""
        if self.header("content-length") != "0" and self.data().strip() not in (b"", b"{}"):
            raise Invalid("bad_message", "this call carries no body")


def bearer_of(authorization: str | None) -> str | None:
    """The token that a header shows."""
    kind, _, token = (authorization or "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


class Question(NamedTuple):
    """What a call asks the CA, and how the answer goes out."""

    message: Message
    reply: type[Reply]
    answer: Callable[[Carried], tuple[int, str | None]]
    """Its status and its JSON, or none."""


def hand_on(message: Message, reply: type[Reply], part: str = "", *, status: int = 200) -> Question:
    """The CA's answer, or one part of it, goes out as it came."""
    return Question(message, reply, lambda answer: (status, answer.part(part) if part else answer.text))


def done(message: Message, reply: type[Reply]) -> Question:
    """There is nothing to say but that it is done."""
    return Question(message, reply, lambda _: (204, None))


Call = Callable[..., Question]
"""Gets what was ``Asked``, and the variable part of its path if there is one."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a call is made. ``rule`` is its path, with at most one variable part, as Flask writes it."""

    method: str
    rule: str
    call: Call


class Calls:
    """The table."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, str], Route] = {}
        self._variable: list[tuple[str, str, Route]] = []

    def __iter__(self) -> Iterator[Route]:
        """All of them."""
        yield from self._exact.values()
        yield from (route for _, _, route in self._variable)

    def get(self, rule: str) -> Callable[[Call], Call]:
        """Puts a call into the table."""
        return lambda call: self._add(Route("GET", PREFIX + rule, call))

    def post(self, rule: str) -> Callable[[Call], Call]:
        """The same for one that does something."""
        return lambda call: self._add(Route("POST", PREFIX + rule, call))

    def _add(self, route: Route) -> Call:
        before, variable, after = route.rule.partition("<")
        if variable:
            self._variable.append((before, after.partition(">")[2], route))
        else:
            self._exact[route.method, route.rule] = route
        return route.call

    def find(self, method: str, path: str) -> tuple[Call, tuple[str, ...]] | None:
        """The call at a decoded path, with the variable part of it."""
        if route := self._exact.get((method, path)):
            return route.call, ()
        for before, after, route in self._variable:
            if route.method == method and path.startswith(before) and path.endswith(after):
                part = path[len(before) : len(path) - len(after)]
                if part and "/" not in part:
                    return route.call, (part,)
        return None


calls = Calls()
"""Filled by the modules of this folder."""
