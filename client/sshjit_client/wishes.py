"""What somebody wants who does not connect yet: the words after ``request`` and ``explain``.

They read like those of a connection, so that a command line can be typed again with ``request`` in front of it. But
every word is a host, because one may ask for several: ``web1 web2``, or ``web1,web2``. Only ``--action command`` takes
a command: the words after the first host, or after ``--`` where several hosts stand before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sshjit import durations, names
from sshjit.api.ask import AskBody
from sshjit.api.explain import ExplainBody
from sshjit.errors import Invalid
from sshjit_client import moments, typed
from sshjit_client.typed import Typed, Usage

VALUES = {**typed.OURS, "--label": "label", "--start": "start"}
"""Options that take a value, by what they are about."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Words that were read. ``more``: options that only one command knows, flags with an empty value."""

    hosts: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    login: str | None
    action: str
    command: str | None
    duration: int | None
    reason: str
    start: int | None
    more: Mapping[str, str]
    line: Typed
    """What ssh's options were, for what the person's own configuration says."""

    def of(self, login: str | None) -> Wish:
        """The same for another account."""
        return replace(self, login=login)

    def ask(self) -> AskBody:
        """The ask, for no certificate yet."""
        return AskBody(
            self.hosts,
            self.login,
            self.action,
            self.command,
            self.duration,
            self.reason,
            certificate=False,
            labels=self.labels,
            start=self.start,
        )

    def explain(self, person: str | None, *, break_glass: bool) -> ExplainBody:
        """The same ask, to be explained: for ``person``, or for oneself."""
        return ExplainBody(
            person,
            self.hosts,
            self.labels,
            self.login,
            self.action,
            self.command,
            self.duration,
            self.reason,
            self.start,
            break_glass,
        )


def read(words: list[str], now: int, *, flags: frozenset[str], values: frozenset[str] = frozenset()) -> Wish:
    """Reads the words; ``flags`` and ``values`` are the options that only this command has.

    Raises:
        Invalid: ``usage``, and what ``sshjit.names``, ``durations`` and ``moments`` refuse.

    """
    try:
        return _made(_sorted(words, flags, values), now)
    except Usage as error:
        raise Invalid("usage", str(error)) from None


@dataclass(slots=True)
class _Heap:
    """The words, put where they belong."""

    line: Typed
    hosts: list[str]
    labels: list[str]
    command: list[str]
    start: str
    more: dict[str, str]


def _sorted(words: list[str], flags: frozenset[str], values: frozenset[str]) -> _Heap:
    heap, at = _Heap(Typed(), [], [], [], "", {}), 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--" and heap.hosts:
            heap.command = words[at:]
            break
        if word.startswith("--") and word != "--":
            at = _option(heap, word, words, at, flags=flags, values=values)
        elif word.startswith("-") and word not in ("-", "--"):
            at = typed.short(heap.line, word, words, at)
        elif heap.hosts and heap.line.action == "command" and "--" not in words[at:]:
            heap.command = words[at - 1 :]
            break
        elif word != "--":
            heap.hosts += [part for part in word.split(",") if part]
    return heap


def _option(heap: _Heap, word: str, words: list[str], at: int, *, flags: frozenset[str], values: frozenset[str]) -> int:
    name, equals, _ = word.partition("=")
    if name in flags and not equals:
        heap.more[name] = ""
        return at
    if name not in VALUES and name not in values:
        raise Usage(f"{name} is not an option here")
    value, at = typed.value_of(word, words, at)
    if name in values:
        heap.more[name] = value
    elif name == "--label":
        heap.labels.append(value)
    elif name == "--start":
        heap.start = value
    else:
        setattr(heap.line, typed.OURS[name], value)
    return at


def _made(heap: _Heap, now: int) -> Wish:
    line, logins = heap.line, [heap.line.login] if heap.line.login else []
    hosts = []
    for word in heap.hosts:
        one = Typed()
        typed.destination(one, word)
        hosts.append(names.host_name(one.host.lower()))
        logins += [one.login] if one.login and not line.login else []
    if len(set(logins)) > 1:
        raise Usage(f"one request is for one account, not for {' and '.join(dict.fromkeys(logins))}")
    if not hosts and not heap.labels:
        raise Usage("which host?")
    if (line.action == "command") is not bool(heap.command):
        missing = "--action command needs the command that is asked for"
        raise Usage(missing if not heap.command else "only --action command takes a command")
    return Wish(
        tuple(dict.fromkeys(hosts)),
        tuple(dict.fromkeys(map(_label, heap.labels))),
        names.login_name(logins[0]) if logins else None,
        line.action,
        names.command(" ".join(heap.command)) if heap.command else None,
        durations.parse(line.duration) if line.duration else None,
        names.free_text(line.reason, "the reason"),
        moments.ahead(heap.start, now) if heap.start else None,
        heap.more,
        line,
    )


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise Usage(f"a label is written like env=staging, not {text}")
    return names.label(key, value)
