"""``ssh-jit-ca log find LINE``: what a line of sshd's log means, and the entry of the certificate that it is about."""

from __future__ import annotations

import argparse
import json
from typing import Any

from sshjit import ca_protocol as m
from sshjit import wire
from sshjit.errors import Invalid
from sshjit.tlogproof import SERIALS_PER_EPOCH, without_log
from sshjit_ca.cli import show as cli_show
from sshjit_ca.cli.tail import Ask, asking
from sshjit_ca.config import Config
from sshjit_ca.operations import sshd_lines

_KINDS = ("certificate", "emergency")
_PAGE = 500
_MOST = 3
"""Entries that are shown where a line names a key alone, which has many certificates."""


def find(conf: Config, options: argparse.Namespace) -> int:
    """Shows them. Exit code 1 where there is no entry.

    Raises:
        Invalid: ``not_sshd``.

    """
    line = sshd_lines.read(" ".join(options.line))
    if line is None:
        raise Invalid(
            "not_sshd",
            "this line says nothing of a certificate",
            hint="docs/sshd-log.md shows the lines; up to OpenSSH 10.0 a refusal has a serial from "
            "LogLevel VERBOSE on, in the line Failed publickey",
        )
    entries = _entries(asking(conf), line)
    if options.json:
        said = {"meaning": line.meaning, "serial": line.serial, "key": line.key, "ca": line.ca}
        print(json.dumps(said | {"entries": [wire.encode(entry) for entry in entries]}))
    else:
        print("\n".join([f"sshd says: {line.meaning}", *([f"hint: {line.hint}"] if line.hint else []), ""]))
        print(cli_show.entries(entries) if entries else _none(line))
    return 0 if entries else 1


def _none(line: sshd_lines.SshdLine) -> str:
    if line.serial is not None:
        return f"no entry of this log is the certificate {line.serial}; its CA's key is {line.ca}"
    if line.key is not None:
        return f"no certificate in this log is for the key {line.key}"
    return "the line names neither a serial nor a key: the lines around it may"


def _entries(ask: Ask, line: sshd_lines.SshdLine) -> tuple[m.EntryView, ...]:
    """The newest first."""
    if line.serial is not None and not without_log(line.serial):
        before = line.serial % SERIALS_PER_EPOCH + 1
        there = ask(m.ReadLog(None, before, 1)).entries
        return tuple(entry for entry in there if entry.kind in _KINDS and _of(entry.fact, "serial") == line.serial)
    if line.serial is not None:
        return _search(ask, "emergency", lambda entry: _of(entry.fact, "serial") == line.serial)
    if line.key is None:
        return ()
    by_key = [_search(ask, kind, lambda entry: _of(entry.detail, "key") == line.key) for kind in _KINDS]
    return tuple(sorted((entry for some in by_key for entry in some), key=lambda entry: -entry.index)[:_MOST])


def _search(ask: Ask, kind: str, fits: Any) -> tuple[m.EntryView, ...]:
    """The newest entries of a kind that fit."""
    fitting: list[m.EntryView] = []
    before: int | None = None
    while len(fitting) < _MOST:
        reply = ask(m.ReadLog(None, before, _PAGE, kind=kind))
        fitting += [entry for entry in reply.entries if fits(entry)]
        before = reply.next
        if before is None:
            break
    return tuple(fitting[:_MOST])


def _of(text: str | None, name: str) -> object:
    """A field of a fact's body, or of a detail."""
    if text is None:
        return None
    parts = json.loads(text)
    return parts.get("body", parts).get(name)
