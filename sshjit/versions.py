"""The version of what the programs say to each other, and what follows where two sides differ.

One number counts for the HTTP API, the CA's sockets and the bundle together (``docs/protocol.md``, "How formats grow").
It rises with every release that adds a field or a call, and each such field says since which number it is there
(``wire.added``). Each side tells the other its number; who hears none takes it for 1, which had no number yet.
"""

from __future__ import annotations

from sshjit.errors import Refused

PROTOCOL = 2
"""What this program speaks."""
OLDEST = 1
"""The oldest number that this program still serves and still understands."""
RELEASES = {1: "0.1.0", 2: "0.2.0"}
"""The first release that speaks each number: what to upgrade to."""
HEADER = "Ssh-Jit-Version"
"""The HTTP header, of requests and answers, that carries the number."""


def release(version: int) -> str:
    """The release to upgrade to for a version, in words."""
    return RELEASES.get(version, f"a release that speaks version {version}")


def parse(text: str | None) -> int:
    """The number in a header. Without one, or with one that is no number, the other side is of version 1."""
    return int(text) if text and len(text) <= 6 and text.isascii() and text.isdecimal() and int(text) else 1


def require(program: str, version: int, *, oldest: int = OLDEST) -> None:
    """Refuses another program that is too old to be understood; ``program`` says which, for people.

    Raises:
        Refused: ``too_old``, which names the program to upgrade and the release.

    """
    if version < oldest:
        raise too_old(program, version, oldest=oldest)


def too_old(program: str, version: int, *, oldest: int) -> Refused:
    """The error that ``require`` raises."""
    return Refused(
        "too_old",
        f"{program} is too old: it speaks version {version}, and {oldest} is the oldest that is understood here",
        hint=f"upgrade {program} to {release(oldest)} or newer",
    )


def lacking(program: str, field: str, since: int) -> Refused:
    """What to raise where ``program`` does not know a field that may not be left out."""
    return Refused(
        "too_old",
        f"{program} is too old for this: it does not know {field!r}, and without it the request would mean less",
        hint=f"upgrade {program} to {release(since)} or newer",
    )
