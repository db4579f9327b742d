"""``ssh-jit-ca log tail``: the newest entries, or those after a known one, and with ``-f`` whatever comes.

Who follows may be a log shipper that runs for months. So a CA that is away is waited for, and the reader goes on after
the last entry that it saw: none is lost and none doubled. That entry must still be what it was; a log that was restored
from an older copy is another one, and the reader ends there, since what it printed is not in it.
"""

from __future__ import annotations

import argparse
import json
import select
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit.errors import Failed
from sshjit_ca.cli import show as cli_show
from sshjit_ca.config import Config
from sshjit_ca.operations import admin_client

PAGE = 500
POLL = 1.0
"""Seconds between two looks of ``tail -f``."""
_AWAY = frozenset(("ca_down", "fenced", "too_many"))
"""What is heard of a CA that stops, is down, starts, or is replaced by the one that stood by."""

Ask = Callable[[m.ReadLog], m.LogReply]
R = TypeVar("R")


def asking(conf: Config) -> Ask:
    """Asks the running CA once. Raises as ``admin.call``."""
    return lambda message: admin_client.call(conf.admin_socket, message, m.LogReply)


def newest(ask: Ask, options: argparse.Namespace, before: int | None, limit: int) -> tuple[m.EntryView, ...]:
    """Up to ``limit`` of the newest entries that fit, the newest first."""
    entries: list[m.EntryView] = []
    while len(entries) < limit:
        reply = ask(_question(options, limit - len(entries), before=before))
        entries += reply.entries
        before = reply.next
        if before is None:
            break
    return tuple(entries)


def tail(conf: Config, options: argparse.Namespace) -> int:
    """Prints entries, the oldest first; with ``options.follow`` until it is told to stop.

    Raises:
        Failed: ``log_shorter``, ``log_replaced``; ``ca_down``, when it does not follow.
        BrokenPipeError: when nobody reads any more.

    """
    ca = _Running(conf.admin_socket, patient=options.follow)
    if options.after is None:
        entries, place = ca.steady(partial(_newest_and_place, ca.ask, options))
        _print(options, entries)
    else:
        place = _Place(options.after, _fact(ca.ask, options.after))
    more = options.follow or options.after is not None
    while more:
        entries, place, more = ca.steady(partial(_next, ca.ask, options, place))
        _print(options, entries)
        if not more and options.follow:
            _pause()
            more = True
    return 0


@dataclass(frozen=True, slots=True)
class _Place:
    """Up to where the log was read: an entry, its fact, by which it is known again, and the head it was read under."""

    index: int
    fact: str
    head: str = ""


def _newest_and_place(ask: Ask, options: argparse.Namespace) -> tuple[tuple[m.EntryView, ...], _Place]:
    size = ask(m.ReadLog(None, None, 1)).size
    return newest(ask, options, size, options.limit)[::-1], _Place(size - 1, _fact(ask, size - 1))


def _next(ask: Ask, options: argparse.Namespace, place: _Place) -> tuple[tuple[m.EntryView, ...], _Place, bool]:
    """The entries after a place, the place after them, and whether there are more already."""
    reply = ask(_question(options, PAGE, after=place.index))
    if reply.checkpoint == place.head and reply.next is None:
        return (), place, False
    if _fact(ask, place.index) != place.fact:  # looked at although the size may be the same
        said = f"the log is another one than before: entry {place.index} is not what it was"
        raise Failed("log_replaced", said, hint=_RESTORED)
    last = reply.size - 1 if reply.next is None else reply.next
    return reply.entries, _Place(last, _fact(ask, last), reply.checkpoint), reply.next is not None


class _Running:
    """The running CA. Who is patient asks until it answers, and says once that it is away and once that it is back."""

    def __init__(self, socket: Path, *, patient: bool) -> None:
        self._socket, self._patient = socket, patient
        self._absences = 0

    def ask(self, message: m.ReadLog) -> m.LogReply:
        away = False
        while True:
            try:
                reply = admin_client.call(self._socket, message, m.LogReply)
            except Failed as error:
                if not self._patient or error.code not in _AWAY:
                    raise
                if not away:
                    _say(f"waiting for the CA: {error.message}")
                    self._absences += 1
                away = True
                _pause()
            else:
                if away:
                    _say("the CA answers again")
                return reply

    def steady(self, read: Callable[[], R]) -> R:
        """What several questions come to, all of them asked of one log: a CA that was away may be back with another."""
        while True:
            before = self._absences
            found = read()
            if self._absences == before:
                return found


def _say(line: str) -> None:
    print(f"ssh-jit-ca: {line}", file=sys.stderr, flush=True)


def _pause() -> None:
    """Waits for a moment. Raises ``BrokenPipeError`` as soon as nobody reads: an entry to notice it by may be far."""
    if sys.stdout is None:
        time.sleep(POLL)
        return
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    if output.poll(POLL * 1000):
        raise BrokenPipeError


def _fact(ask: Ask, index: int) -> str:
    """The fact of an entry. Raises ``Failed``: ``log_shorter``."""
    reply = ask(m.ReadLog(None, index + 1, 1))
    if not reply.entries or reply.entries[0].index != index:
        last = f"its last entry is {reply.size - 1}, and entry {index} is known already"
        raise Failed("log_shorter", f"the log became shorter: {last}", hint=_RESTORED)
    return reply.entries[0].fact


_RESTORED = "was it restored from an older copy? ssh-jit-ca log show --kind restore says where it goes on"


def _question(options: argparse.Namespace, limit: int, **where: int | None) -> m.ReadLog:
    return m.ReadLog(
        None,
        where.get("before"),
        min(limit, PAGE),
        after=where.get("after"),
        person=options.person,
        host=options.host,
        kind=options.kind,
        since=options.since,
        until=options.until,
    )


def _print(options: argparse.Namespace, entries: tuple[m.EntryView, ...]) -> None:
    for entry in entries:
        print(json.dumps(wire.encode(entry)) if options.json else cli_show.entry(entry), flush=True)
