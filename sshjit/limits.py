"""How long a text and a list may be in what somebody else sends: the defaults, and what fields say instead.

A field says so in its type: ``Annotated[tuple[Name, ...], AtMost(256)]``. ``sshjit/wire.py`` counts, before it reads
what is inside, so that a message costs no more than its limits allow. Answers are not limited here: whoever reads one
limits its bytes, and a list in it is as long as there is something to tell.
"""

from __future__ import annotations

import dataclasses
import operator
import types
import typing
from collections.abc import Callable, Hashable
from functools import cache
from typing import Annotated, Any, NamedTuple, Union


class AtMost(NamedTuple):
    """So many letters of a text, or items of a list. ``code`` is that of the error, where it has one of its own."""

    most: int
    code: str = "bad_message"


TEXT = AtMost(2_000)
"""For a text without a limit of its own: a reason has 500 letters at most, a command 1,000."""
ITEMS = AtMost(64)
"""For a list without a limit of its own."""

Id = Annotated[str, AtMost(64)]
"""An id that the CA made, or a word of the protocol."""
Name = Annotated[str, AtMost(255)]
"""A host, a Unix account, a label, an address of any kind."""
KeyLine = Annotated[str, AtMost(16 * 1024)]
"""A public key as one OpenSSH line (``sshkey.MAX_LINE``)."""
Signature = Annotated[str, AtMost(16 * 1024)]
"""An armoured SSHSIG."""
MAX_ID_TOKEN = 64 * 1024
"""Characters of an ID token: a compact JWS with hundreds of groups. The one limit of laptops, front end and CA."""
TOO_MANY_GROUPS = "tell your administrator: the provider must send only the groups that are assigned to this client"
IdToken = Annotated[str, AtMost(MAX_ID_TOKEN)]
AccessToken = Annotated[str, AtMost(16 * 1024)]
"""A token for the userinfo endpoint."""
Hosts = Annotated[tuple[Name, ...], AtMost(256, "too_many_hosts")]
"""Hosts of one request: as many as a certificate can name."""
Aliases = Annotated[tuple[Name, ...], AtMost(16, "too_many")]
HostKeys = Annotated[tuple[KeyLine, ...], AtMost(8, "too_many")]
Logins = Annotated[tuple[Name, ...], AtMost(32, "too_many")]
"""Unix accounts of one host."""
MAX_LINEAGE = 64 * 1024
Lineage = Annotated[str, AtMost(MAX_LINEAGE)]
"""What the CA tells beside a checkpoint (``sshjit/lineage.py``), and gets back as it was."""
Signatures = Annotated[tuple[Signature, ...], AtMost(8, "too_many")]
ReadTypes = Annotated[tuple[Id, ...], AtMost(8, "too_many")]
"""Names of key types that somebody's OpenSSH reads beside those that every release knows."""


def within(message: Any) -> bool:
    """Whether every text and list of a dataclass that was read in another way is within its limit."""
    check = _record(typing.cast("Hashable", type(message)))
    return check is None or check(message)


def limit_in(arguments: tuple[Any, ...]) -> AtMost | None:
    """The limit among the arguments of an ``Annotated`` type."""
    return next((part for part in arguments[1:] if isinstance(part, AtMost)), None)


_Check = Callable[[Any], bool]


def _check(kind: Any, limit: AtMost | None = None) -> _Check | None:
    """The function that says whether a value of a field's type is within its limits; ``None``: it always is."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _check(arguments[0], limit_in(arguments))
    if origin is tuple:
        return _list(arguments, limit or ITEMS)
    if origin in (Union, types.UnionType):
        some = _check(arguments[0], limit)
        return None if some is None else lambda value: value is None or some(value)
    if kind is str:
        letters = (limit or TEXT).most
        return lambda value: len(value) <= letters
    return _record(typing.cast("Hashable", kind)) if dataclasses.is_dataclass(kind) else None


def _list(arguments: tuple[Any, ...], limit: AtMost) -> _Check:
    if arguments[-1] is not Ellipsis:
        parts = [(at, check) for at, part in enumerate(arguments) if (check := _check(part)) is not None]
        return lambda value: all(check(value[at]) for at, check in parts)
    inner = _check(arguments[0]) or (lambda _: True)
    return lambda value: len(value) <= limit.most and all(map(inner, value))


@cache
def _record(cls: Hashable) -> _Check | None:
    hints = typing.get_type_hints(cls, include_extras=True)
    known = [(field.name, _check(hints[field.name])) for field in dataclasses.fields(typing.cast("Any", cls))]
    checks = tuple((operator.attrgetter(name), check) for name, check in known if check is not None)
    return (lambda value: all(check(read(value)) for read, check in checks)) if checks else None
