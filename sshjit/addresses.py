"""When two e-mail addresses are the same one. There are two answers, and which one counts depends on what follows.

To permit (a role, a Unix name, mail), addresses must be the same letter by letter, but for the case of A to Z, and only
ASCII permits anything: ``straße.example`` and ``strasse.example`` are two domains with two owners. To forbid (approving
for oneself, counting twice, going on under a lock), they are the same if any mail system might take them for one.
"""

from __future__ import annotations

import re
from functools import lru_cache

from sshjit.names import lowered

_PLAIN = re.compile(r"[a-z0-9._-]+@(?:[a-z0-9-]+\.)*[a-z0-9-]+")
_COMMENT = re.compile(r"\([^()]*\)")
_ACE = "xn--"
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Characters outside the categories of ``_folded`` that print as nothing."""


def exact(address: str) -> str | None:
    """An address as it is compared to permit something; ``None`` for one that is not ASCII, which permits nothing."""
    return lowered(address) if address.isascii() else None


def domain_of(address: str) -> str:
    """What stands behind the last ``@``."""
    return address.rpartition("@")[2]


def mailbox(address: str) -> str:
    """An address as it is compared to forbid something: two that any mail system might take for one have the same.

    Compatible and invisible characters, case, blanks, quotes, comments, the part behind a plus sign, a dot at the end,
    and both spellings of an international domain make no difference. What comes back is for comparing alone.
    """
    low = lowered(address)
    return low if _PLAIN.fullmatch(low) and _ACE not in low else _mailbox(address)


@lru_cache(maxsize=4096)
def _mailbox(address: str) -> str:
    text = _COMMENT.sub("", _folded(address))
    local, at, domain = text.rpartition("@")
    if not at:
        return text or address
    local = local.replace('"', "").replace("\\", "")
    domain = ".".join(_folded(_decoded(label)) for label in domain.split(".")).strip(".")
    return f"{local.partition('+')[0] or local}@{domain}"


def _folded(text: str) -> str:
    """Without what cannot be seen, and everything that looks the same by Unicode's tables as one."""
    from unicodedata import category, normalize  # noqa: PLC0415 - a connection needs this for no address of its own

    for _ in range(2):  # folding may leave something to normalise, and the other way round
        text = normalize("NFKC", normalize("NFKC", text).casefold())
    seen = (c for c in text if not c.isspace() and category(c) not in ("Cc", "Cf", "Zl", "Zp") and c not in _UNSEEN)
    return "".join(seen).replace("\N{IDEOGRAPHIC FULL STOP}", ".")


def _decoded(label: str) -> str:
    """A label of a domain in Unicode. One that only begins like an encoded one is left as it is."""
    if not label.startswith(_ACE):
        return label
    try:
        return label.removeprefix(_ACE).encode("ascii").decode("punycode")
    except UnicodeError:
        return label
