"""The bundle's post-quantum part (``docs/protocol.md``, section 3): CA keys and a revocation list that stand apart.

An sshd that does not know their type reads no further in its CA keys, and refuses everybody by such a list. So they are
never among the others in the bundle, and ``openssh/abilities.py`` decides whether this machine's sshd is given them.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from sshjit_host.formats import krl, sshkey, strictjson
from sshjit_host.formats.certificate_types import POST_QUANTUM

FIELD = "post_quantum"
_LISTS = ("user_ca", "host_ca", "retired")
_NOTHING = krl.RevocationList(krl.EMPTY, ())


@dataclass(frozen=True)
class PostQuantum:
    """CA keys of the type ``ssh-mldsa44-ed25519``, and the list of what they revoke.

    ``only``: ids of hosts that trust ``user_ca`` alone. ``left_out``: what is of types that came later, for people.
    """

    user_ca: tuple[sshkey.PublicKey, ...] = ()
    host_ca: tuple[sshkey.PublicKey, ...] = ()
    retired: tuple[sshkey.PublicKey, ...] = ()
    revoked: krl.RevocationList = _NOTHING
    only: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[sshkey.PublicKey, ...]:
        """All that are keys of CAs, or were."""
        return self.user_ca + self.host_ca + self.retired


def read(fields: dict[str, Any]) -> PostQuantum | None:
    """The part of a bundle's fields; ``None`` where there is none. Raises ``ValueError``."""
    part = fields.get(FIELD)
    if part is None:
        return None
    if type(part) is not dict:
        raise ValueError(f"{FIELD} is no object")
    lists: dict[str, tuple[sshkey.PublicKey, ...]] = {}
    left_out: list[str] = []
    for name in _LISTS:
        lists[name], unknown = _keys(part, name)
        left_out += unknown
    revoked = _list(strictjson.typed(part, "krl", str)) if "krl" in part else _NOTHING
    left_out += [f"{section} in the post-quantum revocation list" for section in revoked.left_out]
    only = strictjson.strings(part, "only") if "only" in part else ()
    return PostQuantum(**lists, revoked=revoked, only=only, left_out=tuple(left_out))


def _keys(part: dict[str, Any], name: str) -> tuple[tuple[sshkey.PublicKey, ...], list[str]]:
    known, unknown = [], []
    for line in strictjson.strings(part, name) if name in part else ():
        try:
            key = sshkey.read_line(line, post_quantum=True)
        except sshkey.UnknownType as error:
            unknown.append(f"keys of the type {error.kind} in {FIELD}.{name}")
            continue
        except ValueError as error:
            raise ValueError(f"{FIELD}.{name}: the key {error}") from None
        if key.type != POST_QUANTUM:
            raise ValueError(f"{FIELD}.{name} holds a key that is not post-quantum")
        known.append(key)
    if len(set(known)) != len(known):
        raise ValueError(f"{FIELD}.{name} holds a key twice")
    return tuple(known), list(dict.fromkeys(unknown))


def _list(text: str) -> krl.RevocationList:
    try:
        return krl.read(base64.b64decode(text, validate=True), post_quantum=True)
    except binascii.Error:
        raise ValueError(f"the KRL of {FIELD} is not base64") from None
    except ValueError as error:
        raise ValueError(f"the KRL of {FIELD} {error}") from None
