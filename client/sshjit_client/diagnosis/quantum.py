"""Which sides of a connection are classical: what a computer that breaks Ed25519 and X25519 could do with it.

Four keep it: the key exchange (what is recorded today stays secret), the host's key, the CA's signature on the
certificate, and the key of the sign-in (nobody gets in by a forged one).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sshjit import sshkey
from sshjit.sshcert import Certificate
from sshjit_client.connecting import dialects

_EXCHANGES = ("mlkem", "sntrup")
"""What the names of post-quantum key exchanges have in them."""
_AGREED = re.compile(r"debug1: kex: algorithm: (\S+)")
_HOST_KEY = re.compile(r"debug1: Server host (?:key|certificate): (\S+)")
CLASSICAL, POST_QUANTUM = "classical", "post-quantum"


@dataclass(frozen=True, slots=True)
class Sides:
    """Each side in a few words; empty where nothing is known of it."""

    exchange: str = ""
    host_key: str = ""
    ca: str = ""
    login_key: str = ""

    def text(self) -> str:
        """All that is known, in one line: the classical sides first."""
        named = (
            ("key exchange", self.exchange),
            ("host key", self.host_key),
            ("CA's signature", self.ca),
            ("login key", self.login_key),
        )
        known = [(name, word) for name, word in named if word]
        parts = []
        for kind in (CLASSICAL, POST_QUANTUM):
            listed = [f"{name}{word.removeprefix(kind)}" for name, word in known if word.startswith(kind)]
            parts += [f"{kind}: {', '.join(listed)}"] if listed else []
        return "; ".join(parts)


def word(*, post_quantum: bool, name: str = "") -> str:
    """``classical (NAME)`` or ``post-quantum (NAME)``."""
    return f"{POST_QUANTUM if post_quantum else CLASSICAL}{f' ({name})' if name else ''}"


def login_key(public: str) -> str:
    """The side of the sign-in's key: its public line."""
    key = sshkey.parse_line(public, post_quantum=True)
    return word(post_quantum=key.post_quantum, name=key.type)


def ca_signature(certificate: Certificate) -> str:
    """The side of the CA, by a certificate of its."""
    return word(post_quantum=dialects.is_post_quantum(certificate))


def offered(values: Mapping[str, str]) -> str:
    """The side of the key exchange, as far as this ssh offers it; ``values``: what ``ssh -G`` printed."""
    first = values.get("kexalgorithms", "").partition(",")[0]
    return word(post_quantum=_is_exchange(first), name=f"{first}, where the host takes it") if first else ""


def agreed(debugging: Iterable[str]) -> tuple[str, str]:
    """The sides of the key exchange and of the host's key, by what ``ssh -v`` printed; empty if it did not say."""
    text = "\n".join(debugging)
    exchange, host_key = _AGREED.search(text), _HOST_KEY.search(text)
    return (
        word(post_quantum=_is_exchange(exchange[1]), name=exchange[1]) if exchange else "",
        word(post_quantum=host_key[1].startswith(sshkey.MLDSA44_ED25519), name=host_key[1]) if host_key else "",
    )


def _is_exchange(name: str) -> bool:
    return any(part in name for part in _EXCHANGES)
