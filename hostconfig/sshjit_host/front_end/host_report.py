"""Tells the CA what is wrong with this host, so that an operator hears of it who looks at no host's log.

The message is ``HostReport`` of ``docs/protocol.md``, section 7, signed by a host key. Sessions are reported elsewhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Tuple  # noqa: UP035 - see Reads

from sshjit_host import alarms
from sshjit_host.config import Config
from sshjit_host.formats.bundle import Bundle
from sshjit_host.front_end.signed_posts import Kind, send
from sshjit_host.machine import files
from sshjit_host.openssh import effective, trusted_types

NAMESPACE = "report@ssh-jit"
PAUSE = 10
"""Seconds between two reports at least; the CA takes one each five seconds."""
AGAIN = 3600
"""Seconds after which a problem that is still there is reported again."""
KNOWS_CLOSED = 2
"""The format of the bundles of a CA that takes the word that only certificates count here, and the checkpoint."""
MOST = 16
LONGEST = 200
"""Letters of a problem."""
Reads = Optional[Tuple[str, ...]]  # noqa: UP006 - Python 3.9 makes it when the module is loaded
"""The types of CA keys that sshd takes beside the usual ones; ``None``: no word of it."""


@dataclass
class Reporter:
    """Reports one host's problems when they change. What the CA has heard is kept over restarts."""

    config: Config
    when: float = field(default=float("-inf"))
    """Of the newest report."""
    waiting: tuple[str, ...] = ()
    """Problems that it was not told of yet."""

    def report(self, bundle: Bundle, now: float) -> None:
        """Report what is wrong now, if that is news. Times are in seconds since the epoch. Raises ``HostError``."""
        problems = tuple(_shown(problem) for problem in alarms.problems(self.config, bundle, now))[:MOST]
        closed = self.config.only_certificates and bundle.format >= KNOWS_CLOSED
        told, when = self._told()
        reads = self._reads(bundle, told[2])
        due = (problems, closed, reads) != told or (problems and not 0 <= now - when < AGAIN)
        if not due or now - self.when < PAUSE:
            return
        self.when, self.waiting = now, problems
        news: dict[str, Any] = {"problems": problems, **({"only_certificates": True} if closed else {})}
        if reads is not None:
            news["reads"] = reads
        if problems and bundle.format >= KNOWS_CLOSED:  # what is wrong may be that the CA lost a part of its log
            news["checkpoint"] = bundle.checkpoint
            if bundle.lineage:
                news["lineage"] = bundle.lineage
        self._send(bundle, news, int(now))
        self.waiting = ()
        if problems or closed or reads is not None:
            kept = {"problems": problems, "closed": closed, "reads": reads, "when": int(now)}
            files.write(self._place, json.dumps(kept).encode("ascii"))
        else:
            files.remove(self._place)

    @property
    def _place(self) -> Path:
        return self.config.home / "reported.json"

    def _reads(self, bundle: Bundle, known: Reads) -> Reads:
        """What the CA is to know of the types that sshd takes; nothing while it has no post-quantum CA."""
        if bundle.format < KNOWS_CLOSED or (bundle.post_quantum is None and not known):
            return None
        try:
            return trusted_types.taken(self.config)
        except effective.Refused:
            return known  # a configuration that is broken is no other sshd

    def _told(self) -> tuple[tuple[tuple[str, ...], bool, Reads], float]:
        """The problems that the CA has heard of, that only certificates count, which types are taken; since when."""
        data = files.read(self._place)
        try:
            kept = json.loads(data or b"{}")
            problems = tuple(str(problem) for problem in kept.get("problems", ()))
            reads = None if kept.get("reads") is None else tuple(str(kind) for kind in kept["reads"])
            return (problems, bool(kept.get("closed")), reads), float(kept.get("when", self.when))
        except (ValueError, TypeError, AttributeError):
            return ((), False, None), self.when

    def _send(self, bundle: Bundle, news: dict[str, Any], now: int) -> None:
        fields: dict[str, Any] = {"name": self.config.name, "time": now, **news}
        fields.update(bundle=bundle.sequence, sessions=0, ended=[])
        send(self.config, bundle, Kind("report", NAMESPACE, text), fields)


def text(installation: str, message: dict[str, Any]) -> bytes:
    """What the host key signs: the message without its signature, as canonical JSON."""
    canonical = json.dumps(message, sort_keys=True, separators=(",", ":"))
    return f"ssh-jit report v1\n{installation}\n{canonical}\n".encode("ascii")


def _shown(problem: str) -> str:
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in problem)[:LONGEST].strip()
