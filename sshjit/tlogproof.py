"""Proofs that travel alone: C2SP tlog-proof, a place in the log, the path to a head, and the signed head.

A certificate's proof carries its entry's fact as the format's extra data, which nothing vouches for. So the reader
takes nothing from it on trust: serial and digest are compared with the certificate's own, and the leaf is hashed from
it.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from sshjit import canonical, entries, merkle, wire
from sshjit.checkpoint import Checkpoint
from sshjit.errors import Invalid

FIRST = "c2sp.org/tlog-proof@v1"
MAX_PROOF = 256 * 1024
MAX_PATH = 63
SERIALS_PER_EPOCH = 2**40
KINDS = ("certificate", "host-certificate", "emergency")
"""Entries that record a certificate; all name its ``serial`` and the ``certificate``'s digest."""
_INDEX = re.compile(r"0|[1-9][0-9]{0,12}")


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof as it is written. ``note`` is the signed checkpoint, word for word."""

    fact: bytes
    index: int
    path: tuple[bytes, ...]
    note: str


def write(proof: Proof) -> str:
    """The proof's text."""
    lines = [FIRST, f"extra {_b64(proof.fact)}", f"index {proof.index}", *map(_b64, proof.path)]
    return "\n".join(lines) + "\n\n" + proof.note


def parse(text: str) -> Proof:
    """Reads a proof; nothing of it is verified.

    Raises:
        Invalid: ``bad_proof``.

    """
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    if len(text) > MAX_PROOF or not separator or len(lines) < 3 or lines[0] != FIRST:
        raise Invalid("bad_proof", "not a proof of a log (c2sp.org/tlog-proof)")
    extra, index, path = lines[1].partition(" "), lines[2].partition(" "), lines[3:]
    if extra[:2] != ("extra", " ") or index[0] != "index" or not _INDEX.fullmatch(index[2]) or len(path) > MAX_PATH:
        raise Invalid("bad_proof", "the proof of a certificate has an extra line, an index, and a path")
    hashes = tuple(_unb64(line) for line in path)
    if any(len(each) != 32 for each in hashes):
        raise Invalid("bad_proof", "a step of the proof is not a hash")
    return Proof(_unb64(extra[2]), int(index[2]), hashes, note)


def check(proof: Proof, serial: int, digest: str, head: Checkpoint) -> None:
    """That the certificate with this serial and SHA-256 (hex) was logged under ``head``, whose signature was verified.

    Raises:
        Invalid: ``not_proved``, with what does not fit.

    """
    if proof.index != serial % SERIALS_PER_EPOCH and not without_log(serial):
        raise Invalid("not_proved", "the proof is about another place in the log than the certificate's serial names")
    fact = wire.loads(proof.fact, limit=entries.MAX_FACT)
    if not isinstance(fact, dict) or canonical.dumps(fact) != proof.fact:
        raise Invalid("not_proved", "the entry is not in its one spelling")
    body = fact.get("body")
    if not isinstance(body, dict) or fact.get("kind") not in KINDS or fact.get("index") != proof.index:
        raise Invalid("not_proved", "the entry does not record a certificate at this place")
    if (body.get("serial"), body.get("certificate")) != (serial, digest):
        raise Invalid("not_proved", "the entry records another certificate")
    if not merkle.included(merkle.leaf_hash(proof.fact), proof.index, head.size, proof.path, head.root):
        raise Invalid("not_proved", "the path does not lead from the certificate's entry to the signed head")


def without_log(serial: int) -> bool:
    """Whether a certificate was signed while there was no log to write to, so that its serial names no place in it."""
    return 0 < serial < SERIALS_PER_EPOCH


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _unb64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise Invalid("bad_proof", "the proof is not base64") from None
    if _b64(raw) != text:
        raise Invalid("bad_proof", "the proof is not in its one spelling")
    return raw
