"""The log's checkpoint as the bundle carries it (C2SP signed-note, tlog-checkpoint): whether it is one at all.

A host keeps it as evidence of the log's size at that time, for a later verification of the log. The verifier checks its
signature; here it is only checked that the note is whole and names the key that the bundle names.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

_ORIGIN = re.compile(r"[a-z0-9][a-z0-9./-]{0,120}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,12}")
MAX_SIZE = 2**40
_ED25519 = b"\x01"
_MARK = "\N{EM DASH}"


def check(note: str, verifier: str) -> None:
    """Raise ``ValueError`` unless ``note`` is a checkpoint with a signature line by the key ``name+hash+base64``."""
    name, public = _key(verifier)
    body, blank, signatures = note.partition("\n\n")
    lines = body.split("\n")
    if not blank or len(lines) != 3 or not _SIZE.fullmatch(lines[1]) or int(lines[1]) >= MAX_SIZE:
        raise ValueError("the checkpoint is not one")
    if lines[0] != name or len(_bytes(lines[2])) != 32:
        raise ValueError("the checkpoint is not one of the log that is named")
    wanted = _hash(name, public)
    for line in signatures.split("\n"):
        parts = line.split(" ")
        if len(parts) == 3 and parts[:2] == [_MARK, name]:
            try:
                signature = base64.b64decode(parts[2].encode("ascii"), validate=True)
            except (UnicodeEncodeError, binascii.Error):
                continue
            if len(signature) == 68 and signature[:4] == wanted:
                return
    raise ValueError("the checkpoint is not signed by the log's key")


def _key(verifier: str) -> tuple[str, bytes]:
    name, _, rest = verifier.partition("+")
    shown, _, text = rest.partition("+")
    raw = _bytes(text)
    if not _ORIGIN.fullmatch(name) or len(raw) != 33 or raw[:1] != _ED25519 or shown != _hash(name, raw[1:]).hex():
        raise ValueError("the log's key is none, or not Ed25519")
    return name, raw[1:]


def _hash(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode("ascii") + b"\n" + _ED25519 + public).digest()[:4]


def _bytes(text: str) -> bytes:
    """Base64 in its one spelling."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("the checkpoint or the log's key is not base64") from None
    if base64.b64encode(raw).decode("ascii") != text:
        raise ValueError("the checkpoint or the log's key is not canonical base64")
    return raw
