"""Asks the operator's checkers about tickets. Which answer is a yes, policy says (``sshjit.policy.tickets``).

Of what a person wrote, only the ticket goes out: percent-encoded as one segment of the path, or as one JSON string. A
question waits in a thread of its own kind; how many there are at a time is bounded, for each person and in all.
"""

from __future__ import annotations

import contextlib
import json
import stat
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sshjit import strict_json
from sshjit.errors import Invalid, Refused
from sshjit.policy import TicketAnswer
from sshjit.policy.model import Checker
from sshjit.policy.tickets import read_answer
from sshjit_ca.source_config import SLOT, CheckerPlace
from sshjit_ca.sources.http_exchange import DEADLINE, Answer, Oversized, Question, Unanswered, exchange

LARGEST = 64 * 1024
"""Bytes of a checker's answer."""
OF_ONE = 2
"""Questions for one person at a time."""
IN_ALL = 32
IN_A_MINUTE = 30
"""Questions for one person, one after another."""
MINUTE = 60
_GONE = (404, 410)
_DOWN = (401, 408, 429)
"""Our credentials do not count any more, or it is too slow, or asked too often."""
_LARGEST_SECRET = 8192


class Unusable(Unanswered):
    """There is a whole answer, and it is none that can be a yes."""


class Tickets:
    """The checkers of an installation."""

    def __init__(self, places: Mapping[str, CheckerPlace], *, deadline: float = DEADLINE) -> None:
        """``deadline``: seconds that a checker has for an answer."""
        self._places, self._deadline = places, deadline
        self._open = Counter[str]()
        self._lately = Counter[str]()
        self._since = 0
        self._lock = threading.Lock()

    def take_turn(self, person: str, now: int) -> None:
        """One more question for a person, until ``end_turn``. Raises ``Refused``: ``ticket_busy``."""
        with self._lock:
            if now - self._since >= MINUTE:
                self._since, self._lately = now, Counter()
            many = self._open[person] >= OF_ONE or self._lately[person] >= IN_A_MINUTE
            if many or self._open.total() >= IN_ALL:
                message = "too many tickets are being looked up, or you asked about too many in a minute"
                raise Refused("ticket_busy", message, hint="try again in a minute")
            self._open[person] += 1
            self._lately[person] += 1

    def end_turn(self, person: str) -> None:
        """The question is answered."""
        with self._lock:
            self._open[person] -= 1
            self._open += Counter()  # without those that have none

    def ask(self, checker: Checker, ticket: str) -> TicketAnswer:
        """What a checker says of a ticket; that it does not answer is an answer too.

        Somebody may have made the ticket so that the answer to it cannot be used. So only what a ticket cannot bring
        about counts as ``down``; any other answer that cannot be used says nothing of what is expected.
        """
        try:
            answer = exchange(_question(self._place(checker.name), ticket), largest=LARGEST, deadline=self._deadline)
            if answer.status in _GONE:
                return TicketAnswer(checker.name, ticket, "missing")
            return TicketAnswer(checker.name, ticket, "answered", read_answer(checker, _document(answer)))
        except Unanswered as error:
            if isinstance(error, Unusable) or (isinstance(error, Oversized) and not _is_down(error.status)):
                return TicketAnswer(checker.name, ticket, "answered", read_answer(checker, None), str(error))
            return TicketAnswer(checker.name, ticket, "down", (), str(error))

    def _place(self, name: str) -> CheckerPlace:
        place = self._places.get(name)
        if place is None:
            raise Unanswered("ca.toml does not say where it is")
        return place


def _question(place: CheckerPlace, ticket: str) -> Question:
    headers = {"Accept": "application/json"}
    if place.authorization is not None:
        headers["Authorization"] = _secret(place.authorization)
    body = None
    if place.body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(_filled(json.loads(place.body), ticket)).encode("ascii")
    with _sendable():
        return Question(place.url.replace(SLOT, quote(ticket, safe="")), place.socket, headers, body)


def _filled(value: Any, ticket: str) -> Any:
    """A JSON value with the ticket in its place."""
    if isinstance(value, dict):
        return {key: _filled(inner, ticket) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, ticket) for inner in value]
    return ticket if value == SLOT else value


@contextlib.contextmanager
def _sendable() -> Iterator[None]:
    try:
        yield
    except UnicodeEncodeError:
        raise Unanswered("the ticket is no text") from None


def _document(answer: Answer) -> object:
    if answer.status != 200:  # nor a redirect: it would ask somebody else
        kind = Unanswered if _is_down(answer.status) else Unusable
        raise kind(f"it answers {answer.status}")
    try:
        return strict_json.loads(answer.body, limit=LARGEST, fractions=True)
    except (Invalid, RecursionError):
        raise Unusable("its answer is not JSON") from None


def _is_down(status: int) -> bool:
    """Whether a status is about the checker, or the CA's credentials there, whatever the ticket is."""
    return status >= 500 or status in _DOWN


def _secret(path: Path) -> str:
    """The value of the header ``Authorization``, from a file that nobody else can read."""
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(path.stat().st_mode) & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
                raise Unanswered(f"others can read or write {path}")
            text = file.read(_LARGEST_SECRET).decode("ascii").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Unanswered(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not ASCII'}") from None
    if not text or not text.isprintable():
        raise Unanswered(f"{path} must have one line: the value of the header Authorization")
    return text
