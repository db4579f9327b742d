"""The words of sentences about rules.

Some readers ask for themselves and some about another person, so no sentence says "you".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from sshjit import passkeys
from sshjit.approvals import AskedStep
from sshjit.durations import show
from sshjit.policy.model import COMMAND, OWN, SHELL
from sshjit.policy.owners import MARK


def listed(words: Iterable[str], link: str = "and") -> str:
    """``a, b and c``."""
    *most, last = words
    return f"{', '.join(most)} {link} {last}" if most else last


def logins(names: Iterable[str] | None, link: str = "and") -> str:
    """``deploy and the requester's own user name``."""
    return listed(("the requester's own user name" if name == OWN else name for name in names or ("any login",)), link)


def actions(names: Iterable[str] | None) -> str:
    """``the actions shell and migrate``."""
    actions = list(names or ())
    return f"the action{'s' if len(actions) > 1 else ''} {listed(actions)}" if actions else "any action"


def roles(names: Iterable[str]) -> str:
    """``the roles sre and dba``, ``the role sre``."""
    roles = list(names)
    return f"the role{'s' if len(roles) > 1 else ''} {listed(roles)}"


def either(roles: Iterable[str]) -> str:
    """``role dba``, ``role sre or dba``."""
    return f"role {listed(roles, 'or')}"


def roles_not_held(names: Iterable[str]) -> str:
    """``the role sre, which is not held``; ``the roles sre and dba, none of which is held``."""
    listed_roles = list(names)
    none = "none of which is held" if len(listed_roles) > 1 else "which is not held"
    return f"{roles(listed_roles)}, {none}"


def deed(action: str) -> str:
    """What somebody does, to be followed by a host: ``to log in to``, ``to run "migrate" on``."""
    if action == SHELL:
        return "to log in to"
    return "to run an exact command on" if action == COMMAND else f'to run "{action}" on'


def doing(action: str) -> str:
    """The deed as what is allowed, to be followed by a host: ``logging in to``, ``running "migrate" on``."""
    if action == SHELL:
        return "logging in to"
    return "running an exact command on" if action == COMMAND else f'running "{action}" on'


def step(asked: AskedStep) -> str:
    """An approval step: ``1 of sre-lead, signed``, ``1 of dba, after 20 min also of lead, not of payments``."""
    parts = [f"{asked.count} of {asked.role}"]
    parts += [passkeys.words(asked)] if asked.signed else []
    parts += [f"after {show(asked.after)} also of {asked.instead}"] if asked.instead else []
    parts += [f"not of {listed(map(_own, asked.but), 'or')}"] if asked.but else []
    return ", ".join(parts)


def _own(role: str) -> str:
    return f"the requester's own {role.removeprefix(MARK)}" if role.startswith(MARK) else role


def pairs(labels: Iterable[tuple[str, str]]) -> str:
    """``env=prod and role=db``."""
    return listed([f"{label}={value}" for label, value in labels] or ["no labels"])


def accepted(labels: Iterable[tuple[str, Iterable[str]]]) -> str:
    """``env=prod and role=db or cache``: labels of which a host must have all, each with one of the values."""
    return listed(f"{label}={listed(values, 'or')}" for label, values in labels)


def hosts(alternatives: Iterable[Iterable[tuple[str, Iterable[str]]]]) -> str:
    """``env=prod and role=db or cache; or env=staging``: sets of labels, any of which a host must have."""
    return "; or ".join(map(accepted, alternatives))


def allowed(rule: str, action: str, hosts: Iterable[str], login: str, duration: int, *, needs_approval: bool) -> str:
    """What a rule allows; ``duration`` is in seconds."""
    after = " once it is approved" if needs_approval else ""
    return f'rule "{rule}" allows {doing(action)} {listed(hosts)} as {login} for {show(duration)}{after}'


class PostQuantumTerms(Protocol):
    """What a rule wants of keys: a rule, terms, or their view."""

    @property
    def post_quantum(self) -> bool:
        """Whether certificates are by the post-quantum CA alone."""

    @property
    def post_quantum_key(self) -> bool:
        """Whether the login's key must be of that kind too."""


def post_quantum(terms: PostQuantumTerms) -> str:
    """Which post-quantum keys are needed; empty: none."""
    if not terms.post_quantum:
        return ""
    return "a post-quantum certificate and login key" if terms.post_quantum_key else "a post-quantum certificate"
