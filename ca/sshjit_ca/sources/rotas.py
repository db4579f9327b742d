"""Fetches rotas, and believes them by a signature or a digest. Which one is newer, and the log, are the CA's.

A text is signed by ``ssh-keygen -Y sign -n rota@ssh-jit``: the signature is at the same place, with ``.sig``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sshjit.errors import Invalid, Refused, SshJitError
from sshjit.policy import PolicyError
from sshjit.policy.rota import LARGEST, NAMESPACE, RotaText, parse_rota
from sshjit_ca.keys import sshsig
from sshjit_ca.source_config import RotaPlace
from sshjit_ca.sources.http_exchange import Question, Unanswered, exchange

SKEW = 300
"""Seconds by which the clock of whoever issues a rota may be ahead."""
_DEADLINE = 20.0


@dataclass(frozen=True, slots=True)
class FetchedRota:
    """A text that may be believed, and what it says. ``by`` is the key that signed it, or ``sha256``."""

    text: str
    digest: str
    said: RotaText
    by: str


def fetch_rota(name: str, place: RotaPlace) -> FetchedRota:
    """The rota as it is now, where ``ca.toml`` says that it is.

    Raises:
        Invalid: ``bad_rota``: it cannot be read, is not signed as it must be, or is not a rota of this name.

    """
    try:
        raw = _read(place, "", LARGEST)
        by = _believed(place, raw)
        text = raw.decode("utf-8")
        rota = parse_rota(text, file=f"{name}.toml")
    except UnicodeDecodeError:
        raise _bad(name, "it is not UTF-8") from None
    except Unanswered as error:  # a text that nobody has cannot be checked
        raise _bad(name, str(error), hint=f"see whether [rotas.{name}] in ca.toml leads to it") from None
    except PolicyError as error:
        raise _bad(name, str(error.problems[0])) from None
    except SshJitError as error:
        raise _bad(name, error.message) from None
    if rota.name != name:
        raise _bad(name, f"it is the rota {rota.name}")
    return FetchedRota(text, hashlib.sha256(raw).hexdigest(), rota, by)


def require_newer(name: str, fetched: FetchedRota, issued: int | None, now: int) -> None:
    """A rota follows only one that was issued before it. ``issued`` is when the one in force was; ``None``: none is.

    Raises:
        Invalid: ``bad_rota``: it is older, as old and different, or of the future.

    """
    if fetched.said.issued > now + SKEW:
        raise _bad(name, "it was issued in the future")
    if issued is not None and fetched.said.issued <= issued:
        raise _bad(name, "it was not issued after the one that is in force; give it a new time in 'issued'")


def read_rota_file(path: Path) -> bytes:
    """The bytes of a rota's file. Raises ``Invalid``: ``bad_rota``."""
    try:
        return _read_file(path, LARGEST)
    except Unanswered as error:
        raise Invalid("bad_rota", str(error)) from None


def _believed(place: RotaPlace, raw: bytes) -> str:
    """Who vouches for a text. Raises ``Refused``, ``Invalid``, ``Unanswered``."""
    if place.sha256 is not None:
        if hashlib.sha256(raw).hexdigest() != place.sha256:
            raise Refused("bad_digest", "its SHA-256 is not the one that is set for this rota")
        return "sha256"
    armour = _read(place, ".sig", sshsig.MAX_ARMOUR).decode("ascii", "replace")
    for signer in place.signers:
        try:
            sshsig.verify(armour, signer, NAMESPACE, raw)
        except Refused:
            continue
        return signer.fingerprint
    raise Refused(
        "signature_refused", "its signature is by none of the keys that sign this rota, or not over this text"
    )


def _read(place: RotaPlace, ending: str, largest: int) -> bytes:
    if place.file is not None:
        return _read_file(place.file.with_name(place.file.name + ending), largest)
    answer = exchange(Question(f"{place.url}{ending}"), largest=largest, deadline=_DEADLINE)
    if answer.status != 200:
        raise Unanswered(f"{'its signature' if ending else 'it'} answers {answer.status}")
    return answer.body


def _read_file(path: Path, largest: int) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(largest + 1)
    except OSError as error:
        raise Unanswered(f"{path}: {error.strerror}") from None
    if len(raw) > largest:
        raise Unanswered(f"{path} has more than {largest} bytes")
    return raw


def _bad(name: str, why: str, *, hint: str = "ssh-jit-ca rota check FILE") -> Invalid:
    return Invalid("bad_rota", f"the rota {name} is not taken: {why}", hint=hint)
