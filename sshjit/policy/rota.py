"""What a rota says: who is on call from when until when, as a TOML text that somebody signed.

A text counts for as long after it was issued as the policy says (``lifetime``), and for no moment more: what is stale
names nobody. People are written as the policy writes sources of roles. Whether a text may be believed, by a signature
or a digest, and whether a newer one was there already, is the CA's to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sshjit import names
from sshjit.policy.model import Rota, Source
from sshjit.policy.problems import PolicyError, Report
from sshjit.policy.reader import Table
from sshjit.policy.sections import read_source
from sshjit.policy.toml_text import document
from sshjit.policy.types import Subject, Turn
from sshjit.tomllines import key_lines

LARGEST = 32 * 1024
"""Bytes of a rota's text."""
MOST_SPANS = 1000
NAMESPACE = "rota@ssh-jit"
"""Of signatures over rotas (``ssh-keygen -Y sign -n``)."""
VERSION = 1
_TOP = {"version": True, "rota": True, "issued": True, "span": True}
_SPAN = {"from": True, "until": True, "people": True}
_TIME_HINT = "write a time with a zone, like 2026-11-30T09:00:00Z"


@dataclass(frozen=True, slots=True)
class Span:
    """From ``begin`` to before ``end`` (seconds since the epoch) any of ``people`` is on call."""

    begin: int
    end: int
    people: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class RotaText:
    """A rota as it was issued (seconds since the epoch)."""

    name: str
    issued: int
    spans: tuple[Span, ...]


def parse_rota(text: str, *, file: str = "rota.toml") -> RotaText:
    """What a text says. ``file`` is what problems call it; it is not opened.

    Raises ``PolicyError`` with every problem that was found.
    """
    report = Report(file, key_lines(text))
    top = Table(document(text, file), (), report, _TOP)
    version = top.get("version", int)
    if version is not None and version != VERSION:
        top.wrong(("version",), f"must be {VERSION}, is {version}")
    if len(text.encode("utf-8", "surrogatepass")) > LARGEST:
        top.wrong((), f"has more than {LARGEST} bytes")
    rota = RotaText(top.name("rota") or "", _time(top, "issued") or 0, tuple(_spans(top)))
    if report.problems:
        raise PolicyError(report.problems)
    return rota


def _spans(top: Table) -> Iterable[Span]:
    listed = top.tables("span")
    if "span" in top and not listed:
        top.wrong(("span",), "names nobody", "to end a rota, take it out of the policy")
    if len(listed) > MOST_SPANS:
        top.wrong(("span",), f"has {len(listed)} elements; {MOST_SPANS} are the most")
    for path, value in listed:
        table = Table(value, path, top.report, _SPAN)
        begin, end = _time(table, "from"), _time(table, "until")
        if begin is not None and end is not None and end <= begin:
            table.wrong(("until",), "is not after from")
        people = table.names("people", None, "person") or ()
        sources = [read_source(top, (*path, "people", number), text, None) for number, text in enumerate(people)]
        yield Span(begin or 0, end or 0, tuple(source for source in sources if source is not None))


def _time(table: Table, key: str) -> int | None:
    value = table.any(key)
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        table.wrong((key,), f"{names.show(str(value))} is no time with a zone", _TIME_HINT)
        return None
    return int(value.astimezone(UTC).timestamp())


def turns_of(subject: Subject, rotas: Iterable[tuple[Rota, RotaText]]) -> tuple[Turn, ...]:
    """What these rotas say of somebody, by their groups and verified addresses; turns that meet are one."""
    turns: list[Turn] = []
    for rota, text in rotas:
        stale = text.issued + rota.lifetime
        spans = (span for span in text.spans if span.begin < stale and any(_is(each, subject) for each in span.people))
        last: Turn | None = None
        for span in sorted(spans, key=lambda each: each.begin):
            end = min(span.end, stale)
            if last is not None and span.begin <= last.end:
                last = Turn(rota.name, last.begin, max(last.end, end))
                turns[-1] = last
            else:
                last = Turn(rota.name, span.begin, end)
                turns.append(last)
    return tuple(turns)


def _is(source: Source, subject: Subject) -> bool:
    if source.provider != subject.provider:
        return False
    return source.name in (subject.groups if source.kind == "group" else subject.emails)
