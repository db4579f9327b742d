"""What an operator has to hear of this host: in its log, in ``doctor`` and ``status``, and in what it reports.

A host goes on with what it has, whatever happens. So nobody notices by themselves that it hears of no revocations.
"""

from __future__ import annotations

import json

from sshjit_host.config import Config
from sshjit_host.errors import HostError
from sshjit_host.formats import strictjson
from sshjit_host.formats.bundle import Bundle
from sshjit_host.machine import files
from sshjit_host.times import day

STALE = 3600
"""Seconds after which a bundle should have been followed by another one: the CA signs one each quarter of an hour."""
LONGEST = 500
"""Letters of a problem that are kept."""


def stale(bundle: Bundle, now: float) -> str:
    """What is wrong with the age of the newest bundle; empty if nothing is. Times are in seconds since the epoch."""
    if now <= min(bundle.expires, bundle.issued + STALE):
        return ""
    since = bundle.expires if now > bundle.expires else bundle.issued
    return f"no newer bundle since {day(since)}; still using it, but revocations may be missing"


def note(config: Config, problem: str, now: float) -> None:
    """Keep what was wrong with the newest refresh, and since when. What cannot be written is not."""
    kept = _read(config)
    since = kept[1] if kept is not None and kept[0] == problem[:LONGEST] else int(now)
    text = json.dumps({"problem": problem[:LONGEST], "since": since}, sort_keys=True)
    try:
        files.write(config.home / "problem.json", f"{text}\n".encode())
    except HostError:
        return  # the disk is full, say: the problem itself is raised, and told in the log


def clear(config: Config) -> None:
    """The newest refresh did all that it should."""
    files.remove(config.home / "problem.json")


def problems(config: Config, bundle: Bundle | None, now: float) -> tuple[str, ...]:
    """Everything that is wrong now, for ``status`` and the host's report."""
    lines = list(failing(config))
    if bundle is None:
        lines.append("this host holds no bundle")
    elif late := stale(bundle, now):
        lines.append(late)
    return tuple(lines)


def failing(config: Config) -> tuple[str, ...]:
    """What was wrong with the newest refresh, and since when; nothing, if it did all that it should."""
    kept = _read(config)
    return () if kept is None else (f"refreshing fails since {day(kept[1])}: {kept[0]}",)


def _read(config: Config) -> tuple[str, int] | None:
    data = files.read(config.home / "problem.json")
    try:
        fields = strictjson.loads((data or b"").decode("utf-8"))
        return strictjson.typed(fields, "problem", str), strictjson.typed(fields, "since", int)
    except ValueError:
        return None
