"""``inventory.toml``: the hosts and the people that a policy is asked about on a laptop.

A host has labels, which the policy must declare, and may be behind another one, its bastion. A person has the claims
that a provider would send when they sign in; by default they signed in just now, without a second factor and without
a hardware key. Whoever has ``claims`` is a workload, with nothing else beside the issuer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sshjit import addresses, approvals, durations, names
from sshjit.policy import Bastion, Host, Policy, PolicyError, Subject, check_labels, roles_of
from sshjit.policy.model import CLAIM
from sshjit.policy.reader import Table
from sshjit.policy.roles import denied_roles
from sshjit.policy.types import FOREVER, Turn
from sshjit_client.policy.policy_files import read_table

_TOP = {"version": True, "hosts": False, "bastions": False, "people": False}
_MEMBER = {
    "provider": True,
    "claims": False,
    **dict.fromkeys(("groups", "emails", "unverified", "own", "own_listed", "mfa", "hardware_key", "signed_in"), False),
    "on_call": False,
}
FILE = "inventory.toml"
UNKNOWN = -1
"""Instead of how long ago a person signed in: the provider does not report it."""


@dataclass(frozen=True, slots=True)
class Member:
    """A person of the inventory. ``signed_in`` is how many seconds ago they proved who they are, or ``UNKNOWN``.

    ``unverified`` addresses, and those that are not ASCII, give no role, but make two accounts one person.
    """

    name: str
    subject: Subject
    unverified: frozenset[str] = frozenset()
    signed_in: int = 0

    def at(self, now: int) -> Subject:
        """The person as policy sees them at ``now``."""
        return replace(self.subject, auth_time=None if self.signed_in == UNKNOWN else now - self.signed_in)

    def person(self, policy: Policy, now: int) -> approvals.Person:
        """The person as approvals see them at ``now``: a workload has no role for which anybody asks it."""
        workload = self.subject.claims is not None
        roles = frozenset[str]() if workload else roles_of(policy, self.subject, now)
        had = denied_roles(policy, self.subject)
        return approvals.Person(self.subject.id, self.subject.emails | self.unverified, roles, had=had)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Hosts and people by name, in the order of the file."""

    hosts: Mapping[str, Host]
    people: Mapping[str, Member]


def load_inventory(path: Path, *policies: Policy) -> Inventory:
    """Reads an inventory whose labels one of the policies must know.

    Raises:
        PolicyError: with every problem.

    """
    top = read_table(path, _TOP)
    inventory = Inventory(with_bastions(top, read_hosts(top, *policies)), read_people(top, *policies))
    if top.report.problems:
        raise PolicyError(top.report.problems)
    return inventory


def read_hosts(top: Table, *policies: Policy) -> dict[str, Host]:
    """``[hosts.db1]``: a host's labels."""
    hosts = {}
    for name, path, value in top.entries("hosts"):
        table = Table(value, path, top.report, dict.fromkeys(value if isinstance(value, dict) else (), False))
        table.checked((), names.host_name, name)
        labels = {label: table.text(label) for label in value} if isinstance(value, dict) else {}
        known = {label: text for label, text in labels.items() if text is not None}
        problems = [check_labels(policy, known) for policy in policies]
        if table.sound and all(problems):
            for problem in problems[0]:
                table.wrong((), problem)
        hosts[name] = Host(name, name, tuple(sorted(known.items())))
    return hosts


def with_bastions(top: Table, hosts: Mapping[str, Host]) -> dict[str, Host]:
    """``[bastions.gate]``: by which account people pass through that host, and to which others."""
    behind: dict[str, Bastion] = {}
    for name, path, value in top.entries("bastions"):
        table = Table(value, path, top.report, {"login": True, "hosts": True})
        login = table.text("login")
        if login is not None:
            table.checked(("login",), names.login_name, login)
        if name not in hosts:
            table.wrong((), f"there is no host {names.show(name)}")
            continue
        for number, host in enumerate(table.names("hosts", None, "host") or ()):
            if host not in hosts or host in behind or host == name:
                problem = "has a bastion already" if host in behind else "is not another host of [hosts]"
                table.wrong(("hosts", number), f"{names.show(host)} {problem}")
            else:
                behind[host] = Bastion(hosts[name], login or "")
    for host in sorted({bastion.host.name for bastion in behind.values()} & behind.keys()):
        top.wrong(("bastions",), f"{host} is a bastion, and cannot be behind one")
    return {name: replace(host, bastion=behind.get(name, host.bastion)) for name, host in hosts.items()}


def read_people(top: Table, *policies: Policy) -> dict[str, Member]:
    """``[people.alice]``: what a provider says of somebody, and which rotas of the policies name them, at any time."""
    people = {}
    rotas = {name for policy in policies for name in policy.rotas}
    for name, path, value in top.entries("people"):
        table = Table(value, path, top.report, _MEMBER)
        provider = table.text("provider")
        if provider is not None:
            table.checked(("provider",), names.provider_id, provider)
        emails = _addresses(table, "emails")
        other = frozenset(address for address in emails if addresses.exact(address) is None)
        unverified = other | _addresses(table, "unverified")
        subject = Subject(
            id=name,
            provider=provider or "",
            groups=frozenset(table.names("groups", None, "group", empty="none") or ()),
            emails=frozenset(map(names.lowered, emails - other)),
            unix_name=table.text("own"),
            own_listed=table.flag("own_listed"),
            mfa=table.flag("mfa"),
            hardware_key=table.flag("hardware_key"),
            denied_emails=unverified,
            on_call=tuple(Turn(name, 0, FOREVER) for name in table.names("on_call", rotas, "rota", empty="none") or ()),
            claims=_claims(table),
        )
        people[name] = Member(name, subject, unverified, signed_in(table) or 0)
    return people


def _claims(table: Table) -> frozenset[str] | None:
    """``claims = { repository = "acme/app" }``: a workload's."""
    given = table.get("claims", dict)
    if given is None:
        return None
    for key in _MEMBER.keys() - {"provider", "claims"}:
        if key in table:
            table.wrong((key,), "is of people, and this is a workload")
    for name, value in given.items():
        if not CLAIM.fullmatch(name) or not isinstance(value, str):
            table.wrong(("claims", name), "must be the name of a claim with its text")
    return frozenset(f"{name}={value}" for name, value in given.items())


def signed_in(table: Table) -> int | None:
    """``signed_in = "20m"``: how long ago; ``"now"`` is just now, ``"unknown"`` what a provider does not tell."""
    value = table.get("signed_in", str)
    if value in ("now", "unknown"):
        return 0 if value == "now" else UNKNOWN
    return None if value is None else table.checked(("signed_in",), durations.parse, value)


def _addresses(table: Table, key: str) -> frozenset[str]:
    listed = table.names(key, None, "address", empty="none") or ()
    for number, address in enumerate(listed):
        local, _, domain = address.rpartition("@")
        if not local or not domain or address.split() != [address]:
            table.wrong((key, number), f"{names.show(address)} is not an e-mail address")
    return frozenset(listed)
