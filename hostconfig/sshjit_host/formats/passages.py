"""What a bastion lets through, by the rows of the bundle (``docs/protocol.md``, section 3). Pure.

A row is of one bastion: a principal of a certificate, and the one address and port that it opens from there.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from sshjit_host.formats import strictjson

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_HOST_ID = rf"{_NAME.pattern}(?:~(?:[2-9]|[1-9][0-9]{{1,5}}))?"
_PRINCIPAL = re.compile(rf"via/({_HOST_ID})@({_HOST_ID})", re.ASCII)
LONGEST = 255


@dataclass(frozen=True)
class Passage:
    """One row. What it holds can stand in a principals file."""

    bastion: str
    principal: str
    address: str
    port: int

    @property
    def line(self) -> str:
        """The line of the principals file of the account by which people pass through."""
        place = f"[{self.address}]" if ":" in self.address else self.address
        return f'restrict,port-forwarding,permitopen="{place}:{self.port}" {self.principal}\n'


def read(fields: dict[str, Any], name: str) -> tuple[Passage, ...]:
    """The rows in a field of the bundle. Raises ``ValueError`` for one that is none."""
    passages = []
    for row in strictjson.typed(fields, name, list):
        if type(row) is not list or [type(item) for item in row] != [str, str, str, int]:
            raise ValueError(f"{name} is not a list of [string, string, string, whole number]")
        passage = Passage(*row)
        match = _PRINCIPAL.fullmatch(passage.principal)
        if match is None or match[2] != passage.bastion or max(map(len, match.groups())) > LONGEST:
            raise ValueError(f"{name} opens a bastion to what is no principal of its own")
        if not _is_place(passage.address) or not 1 <= passage.port <= 65535:
            raise ValueError(f"{name} names something else than an address and a port")
        passages.append(passage)
    return tuple(passages)


def _is_place(text: str) -> bool:
    """An IP address in its shortest spelling, without a zone, or a host name."""
    try:
        return ipaddress.ip_address(text).compressed == text and "%" not in text
    except ValueError:
        return len(text) <= 253 and _NAME.fullmatch(text) is not None
