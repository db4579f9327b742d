"""The known_hosts files of the person and the system: which keys ssh believes for a name besides ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sshjit import sshkey
from sshjit_client.ssh import openssh

_CA, _REVOKED = "@cert-authority", "@revoked"
"""The first word of a line about a CA, or about a key that counts no more."""


def has(name: str, values: Mapping[str, str]) -> bool:
    """Whether one of them has a key for this name. ``values``: what ``ssh -G`` printed."""
    return any(words[0] != _REVOKED for words in _lines(name, values))


def keys(name: str, values: Mapping[str, str]) -> list[tuple[str, bool]]:
    """Their public key lines for this name, and whether each is a CA's.

    Raises:
        Invalid: one of them is of a kind that we do not know.

    """
    known, revoked = list[tuple[str, bool]](), set[str]()
    for words in _lines(name, values):
        mark, key = (words[0], words[2:4]) if words[0].startswith("@") else ("", words[1:3])
        line = sshkey.parse_line(" ".join(key)).line
        if mark == _REVOKED:
            revoked.add(line)
        else:
            known.append((line, mark == _CA))
    return [(line, is_ca) for line, is_ca in known if line not in revoked]


def _lines(name: str, values: Mapping[str, str]) -> Iterator[list[str]]:
    paths = [*values.get("userknownhostsfile", "").split(), *values.get("globalknownhostsfile", "").split()]
    for path in (Path(path).expanduser() for path in paths):
        if path.is_file():
            command = ["ssh-keygen", "-F", name, "-f", str(path)]
            lines = openssh.output_of(command).splitlines()
            yield from (line.split() for line in lines if line.strip() and not line.startswith("#"))
