"""The hosts that plain ssh is to reach: what the server says that this person may have, and under which account.

Kept in ``plain_hosts.json``, so that ``ensure`` can mend the written configuration where a host has moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from sshjit import names
from sshjit.api.explain import HostAnswer
from sshjit.api.hosts import HostView
from sshjit.errors import Invalid
from sshjit_client.api.full import FullApi
from sshjit_client.connecting.certificate import CheckedCertificate
from sshjit_client.requests import explained_hosts
from sshjit_client.storage import files

A = TypeVar("A")
B = TypeVar("B")
_REASON = "bad_reason"
"""The code of a request that needs a reason: the person may have it."""
AT_ONCE = 8
"""Runs of ``ssh -G`` at a time."""


@dataclass(frozen=True, slots=True)
class Bastion:
    """The bastion before a host: how ssh reaches it, and the account by which it lets people pass."""

    name: str
    address: str
    port: int
    account: str


@dataclass(frozen=True, slots=True)
class PlainHost:
    """A name of a host, as a person types it. ``account``: who one is there, unless another one is typed."""

    name: str
    address: str
    port: int
    account: str
    bastion: Bastion | None = None
    own: tuple[str, ...] = ()
    """Keywords, in lower case, that the person's own configuration sets for this name: they stay theirs."""
    known_hosts: str = ""
    """The system-wide known_hosts files in effect, as ssh_config writes them."""
    agent: str = ""
    """The value of ``IdentityAgent`` that the person's own configuration sets; empty: the one of the environment."""
    user_known_hosts: str = ""
    """The person's known_hosts files in effect, as ``ssh -G`` prints them."""
    names_certificates: bool = False
    """Whether the person's own configuration has a ``CertificateFile``: then ssh finds none beside a key by itself."""

    @property
    def values(self) -> dict[str, str]:
        """What ``ssh -G`` printed of where the certificate goes, and of how ssh knows the host."""
        return {
            "identityagent": self.agent,
            "userknownhostsfile": self.user_known_hosts,
            "globalknownhostsfile": self.known_hosts,
        }


@dataclass(frozen=True, slots=True)
class PlainHosts:
    """``plain_hosts.json``. ``created``: whether ``~/.ssh/config`` was made by us."""

    hosts: tuple[PlainHost, ...]
    created: bool
    gone: tuple[str, ...] = ()
    """Names that were written before, and that the server does not give any more: ssh shows them no key."""

    def find(self, name: str) -> PlainHost | None:
        """The host of this name."""
        return next((host for host in self.hosts if host.name == name), None)

    def without(self, reachable: Iterable[str]) -> tuple[str, ...]:
        """The names of ``gone`` once the server gives ``reachable``."""
        return tuple(sorted({*self.gone, *(host.name for host in self.hosts)}.difference(reachable)))


def load(path: Path) -> PlainHosts | None:
    """What was written last; ``None`` if nothing was, or it was removed."""
    return files.load(path, PlainHosts)


def reachable(new_api: Callable[[], FullApi]) -> tuple[PlainHost, ...]:
    """Every name of every host that policy lets this person have, at once or after an approval, sorted by name.

    Raises:
        SshJitError: what the server answers.

    """
    api = new_api()
    hosts = api.hosts().hosts
    by_name = {host.name: host for host in hosts}
    answers = explained_hosts.ask(new_api, api.version, list(by_name))
    named = []
    for host in hosts:
        account, bastion = _account(answers.get(host.name)), _bastion(by_name.get(host.via))
        if account and (bastion or not host.via):
            checked = [_checked(name, host) for name in dict.fromkeys((host.name, *host.aliases))]
            named += [PlainHost(*each, account, bastion) for each in checked if each is not None]
    return tuple(sorted(named, key=lambda host: host.name))


def moved(host: PlainHost, checked: CheckedCertificate) -> PlainHost:
    """The host at the address that the server says now, which a checked certificate came with."""
    bastion, route = checked.bastion, checked.route
    through = Bastion(bastion.host, bastion.address, bastion.port, bastion.login) if bastion else None
    return replace(host, address=route.address, port=route.port, bastion=through)


def at_once(work: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """The results for all items in their order, several made at a time."""
    with ThreadPoolExecutor(AT_ONCE) as workers:
        return list(workers.map(work, items))


def _account(answer: HostAnswer | None) -> str:
    """Who one is on a host that one may have; empty if one may not."""
    if answer is None or answer.login is None or (answer.verdict == "denied" and answer.code != _REASON):
        return ""
    return answer.login if names.is_login_name(answer.login) else ""


def _checked(name: str, host: HostView) -> tuple[str, str, int] | None:
    """A name, address and port as they may stand in ssh_config; ``None`` if they are none: the server may lie."""
    try:
        return names.host_alias(name), names.address(host.address), names.port(host.port)
    except Invalid:
        return None


def _bastion(host: HostView | None) -> Bastion | None:
    if host is None or not names.is_login_name(host.jump_login):
        return None
    checked = _checked(host.name, host)
    return None if checked is None else Bastion(*checked, host.jump_login)
