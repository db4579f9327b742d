"""What sshd itself says is in effect (``sshd -T``), for each connection that it can tell apart.

sshd prints its keywords in lower case up to 10.3 and in mixed case since 10.4; here they are in lower case. Where its
configuration has a ``Match``, sshd answers only if the question names the attribute that the ``Match`` asks for, so
every question names them all.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sshjit_host.config import Config
from sshjit_host.errors import SshdError
from sshjit_host.machine.programs import Outcome, run
from sshjit_host.openssh import sshdconf

_ATTRIBUTES = {"host": "host", "address": "addr", "localaddress": "laddr", "localport": "lport", "rdomain": "rdomain"}
"""Criteria of ``Match``, and what ``sshd -T -C`` calls them. Who logs in is asked for each account."""
MOST = 64
"""Connections that are asked about; a configuration with more ``Match`` lines than that is asked about the first."""


@dataclass(frozen=True)
class Connection:
    """What ``Match`` may ask of a connection, besides the account (sshd_config(5))."""

    host: str = "localhost"
    addr: str = "127.0.0.1"
    laddr: str = "127.0.0.1"
    lport: str = "22"
    rdomain: str = ""

    def question(self, login: str) -> str:
        """The value of ``-C``."""
        fields = ",".join(f"{name}={value}" for name, value in dataclasses.asdict(self).items())
        return f"user={login},{fields}"


ANY = Connection()
"""The one that is asked about where no other is meant."""


class Refused(SshdError):
    """sshd did not answer; ``outcome`` holds what it said instead."""

    def __init__(self, outcome: Outcome, *, hint: str = "") -> None:
        super().__init__(complaint(outcome), hint=hint)
        self.outcome = outcome


_LINE = re.compile(r"\bline \d+\b|configuration option")
"""What sshd says of a line that it does not take."""


def complaint(outcome: Outcome, what: str = "its configuration") -> str:
    """What sshd said instead of an answer: that it refuses ``what``, or why it does not start at all."""
    said = "; ".join(outcome.output.splitlines()[:3]) or f"status {outcome.code}"
    return f"sshd refuses {what}: {said}" if _LINE.search(outcome.output) else f"sshd does not start: {said}"


@dataclass(frozen=True)
class Effective:
    """The values in effect, in sshd's order, by keyword in lower case."""

    lines: tuple[tuple[str, str], ...]

    def all(self, keyword: str) -> tuple[str, ...]:
        """Every value of a keyword (any case): ``HostKey``, ``Port``, ``AllowUsers`` and their like have several."""
        return tuple(value for name, value in self.lines if name == keyword.lower())

    def value(self, keyword: str) -> str:
        """The value of a keyword that has one; empty if sshd does not say any."""
        return next(iter(self.all(keyword)), "")


def settings(config: Config, login: str = "", connection: Connection = ANY) -> Effective:
    """What is in effect for an account's connection; without a login, for the first of the accounts that we manage.

    Raises ``Refused`` if sshd does not answer.
    """
    question = connection.question(login or config.logins[0])
    outcome = run(config.sshd, "-T", "-f", config.sshd_config, "-C", question)
    if outcome.code != 0:
        raise Refused(outcome, hint=f"{config.sshd} -t -f {config.sshd_config}")
    pairs = (line.partition(" ") for line in outcome.output.splitlines())
    return Effective(tuple((name.lower(), value.strip()) for name, _, value in pairs))


def connections(usual: Effective, layout: sshdconf.Layout) -> tuple[Connection, ...]:
    """One connection to each address and port that sshd listens at (as ``usual`` says), and one into each ``Match``."""
    listening = tuple(dict.fromkeys(_listening(usual))) or (Connection(),)
    inside = (
        dataclasses.replace(listening[0], **attributes) for match in layout.matches for attributes in _inside(match)
    )
    return tuple(itertools.islice(dict.fromkeys((*listening, *inside)), MOST))


def _listening(usual: Effective) -> Iterator[Connection]:
    for place in usual.all("ListenAddress"):
        address, _, port = place.partition(" ")[0].rpartition(":")
        address = address.strip("[]")
        where = Connection().laddr if _is_any(address) else address
        if port.isdigit() and _is_plain(where):
            yield Connection(laddr=where, lport=port)


def _inside(match: sshdconf.Match) -> Iterator[dict[str, str]]:
    """Attributes of connections that this ``Match`` is about: one for each pattern of its lists."""
    asked = [(_ATTRIBUTES[name], patterns) for name, patterns in match.criteria if name in _ATTRIBUTES]
    choices = [[(name, value) for value in _examples(name, patterns)] for name, patterns in asked]
    for chosen in itertools.islice(itertools.product(*choices), MOST):
        yield dict(chosen)


def _examples(name: str, patterns: str) -> Iterator[str]:
    """A value for each pattern that a list allows."""
    for pattern in patterns.split(","):
        if pattern.startswith("!") or not pattern:
            continue
        value = pattern.replace("*", "1").replace("?", "1") if name not in ("addr", "laddr") else _address(pattern)
        if _is_plain(value):
            yield value


def _address(pattern: str) -> str:
    """An address that the pattern (wildcards, or a network) allows."""
    try:
        network = ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return pattern.replace("*", "1").replace("?", "1")
    return str(network[1] if network.num_addresses > 1 else network[0])


def _is_any(address: str) -> bool:
    return address in ("0.0.0.0", "::")  # noqa: S104 - nothing is bound to it here


def _is_plain(value: str) -> bool:
    """Whether it can stand in a question, whose parts are separated by commas."""
    return bool(value) and value.isascii() and value.isprintable() and not set(value) & set(", ")
