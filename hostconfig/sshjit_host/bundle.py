"""The bundle's rules (``docs/protocol.md``, section 3): what a host takes over from it, and what it refuses.

Pure: no file, clock or program. That the bundle key signed the text is ``keygen.py``'s question; asking it comes
before anything here counts.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from . import krl, sshkey, strictjson
from .errors import BundleRefused

FORMAT = 1
NAMESPACE = "bundle@ssh-jit"
LARGEST = 8 * 1024 * 1024
"""Characters of a bundle's text."""

_FIELDS = frozenset(
    (
        "bundle",
        "installation",
        "root",
        "sequence",
        "issued",
        "expires",
        "user_ca",
        "host_ca",
        "log_key",
        "providers",
        "krl",
        "ended",
        "extended",
        "checkpoint",
    )
)
_INSTALLATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)


@dataclass(frozen=True)
class Bundle:
    """A bundle whose content is sound. Times are seconds since the epoch, UTC; ``text`` is what was signed."""

    text: str
    installation: str
    root: sshkey.PublicKey
    sequence: int
    issued: int
    expires: int
    user_ca: tuple[sshkey.PublicKey, ...]
    host_ca: tuple[sshkey.PublicKey, ...]
    revoked: krl.RevocationList
    ended: tuple[tuple[str, int], ...]
    extended: tuple[tuple[str, int], ...]

    def ca_keys(self) -> frozenset[bytes]:
        """The blobs that are keys of CAs by this bundle's word: those in use, and those it revokes."""
        return frozenset(key.blob for key in self.user_ca + self.host_ca) | frozenset(self.revoked.keys)


def read(text: str) -> Bundle:
    """Read a bundle's text; malformed or unsound content raises ``BundleRefused``."""
    try:
        return _read(text)
    except ValueError as error:
        raise BundleRefused(f"the bundle is not sound: {error}") from None


def _read(text: str) -> Bundle:
    if len(text) > LARGEST or not text.isascii():
        raise ValueError("it is too long or not ASCII")
    fields = strictjson.loads(text)
    if json.dumps(fields, sort_keys=True, separators=(",", ":")) != text:
        raise ValueError("it is not in its one spelling")
    if type(fields.get("bundle")) is not int or fields["bundle"] != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    strictjson.only(fields, required=_FIELDS)
    for name in ("log_key", "checkpoint"):
        strictjson.typed(fields, name, str)
    strictjson.typed(fields, "providers", list)
    installation = strictjson.typed(fields, "installation", str)
    if not _INSTALLATION.fullmatch(installation):
        raise ValueError("the installation's name is malformed")
    issued, expires = _count(fields, "issued"), _count(fields, "expires")
    if issued >= expires:
        raise ValueError("it expires before it is issued")
    return Bundle(
        text=text,
        installation=installation,
        root=_key("root", strictjson.typed(fields, "root", str)),
        sequence=_count(fields, "sequence"),
        issued=issued,
        expires=expires,
        user_ca=_keys(fields, "user_ca"),
        host_ca=_keys(fields, "host_ca"),
        revoked=_krl(strictjson.typed(fields, "krl", str)),
        ended=strictjson.pairs(fields, "ended"),
        extended=strictjson.pairs(fields, "extended"),
    )


def _count(fields: dict[str, Any], name: str) -> int:
    value = strictjson.typed(fields, name, int)
    if not 1 <= value < 2**53:
        raise ValueError(f"{name} is out of range")
    return value


def _key(name: str, line: str) -> sshkey.PublicKey:
    try:
        return sshkey.read_line(line)
    except ValueError as error:
        raise ValueError(f"{name}: the key {error}") from None


def _keys(fields: dict[str, Any], name: str) -> tuple[sshkey.PublicKey, ...]:
    keys = tuple(_key(name, line) for line in strictjson.strings(fields, name))
    if not keys:
        raise ValueError(f"{name} is empty")
    if len(set(keys)) != len(keys):
        raise ValueError(f"{name} holds a key twice")
    return keys


def _krl(text: str) -> krl.RevocationList:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("the KRL is not base64") from None
    try:
        return krl.read(data)
    except ValueError as error:
        raise ValueError(f"the KRL {error}") from None


def check_root(bundle: Bundle, pinned: str) -> None:
    """Raise ``BundleRefused`` unless the bundle names the pinned key (``SHA256:…``) as its root."""
    if bundle.root.fingerprint != pinned:
        raise BundleRefused(
            f"the bundle's root is {bundle.root.fingerprint}, and this host is pinned to {pinned}",
            hint="compare both with the joining line that `ssh-jit-ca host add` printed",
        )


def check_succession(bundle: Bundle, held: Bundle | None) -> None:
    """Raise ``BundleRefused`` unless ``bundle`` may take the place of ``held`` (or is the same).

    A key that the KRL revokes whole must be known as a CA's key, by this bundle or the one held: revoked by mistake or
    malice, the owner's plain key would shut the owner out.
    """
    known = frozenset(key.blob for key in bundle.user_ca + bundle.host_ca)
    if held is not None:
        known |= held.ca_keys()
        if bundle.installation != held.installation:
            raise BundleRefused(
                f"the bundle is of the installation {bundle.installation}, and this host is {held.installation}'s",
            )
        if bundle.sequence < held.sequence:
            raise BundleRefused(f"the bundle is older ({bundle.sequence}) than the one held ({held.sequence})")
        if bundle.sequence == held.sequence and bundle.text != held.text:
            raise BundleRefused(f"there are two different bundles with the sequence {held.sequence}")
    if not known.issuperset(bundle.revoked.keys):
        raise BundleRefused("the KRL revokes a key that is not a CA's")
